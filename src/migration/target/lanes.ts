import { CacheOpsError, messageOf } from '../../errors.js';
import type { Masters } from '../../keys/masters.js';
import { type Channel, type Limits, openChannel, TimeoutError } from '../../redis/channel.js';
import { ProtocolError, ReplyError } from '../../redis/resp.js';
import { type Reader, ReplyStream } from '../../redis/scan/stream.js';
import type { Chunk } from '../plan/chunk.js';
import { slotOf } from './slots.js';

/** A raw connection to one master on which commands are sent by the megabyte. */
export class Lane {
  readonly #stream: ReplyStream;
  readonly #timer: NodeJS.Timeout;
  #failure: Error | undefined;
  readonly #waiting = new Set<(error: Error) => void>();

  constructor(
    readonly channel: Channel,
    timeout: number,
    name: string,
  ) {
    const fail = (error: Error) => {
      this.#failure ??= inWords(name, error);
      for (const reject of this.#waiting) reject(this.#failure);
      this.#waiting.clear();
    };
    this.#stream = new ReplyStream(channel, { onEnd: fail, onThrow: fail });
    this.#timer = setInterval(() => {
      if (this.#stream.pending === 0 || performance.now() - this.#stream.heard < timeout) return;
      fail(new TimeoutError(timeout));
      channel.close();
    }, 100).unref();
  }

  /** Sends commands; resolves when `reader` has all of their replies. */
  ask(commands: Buffer | string, reader: Reader): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      this.#waiting.add(reject);
      this.#stream.write(commands, {
        read: (bytes) => {
          if (!reader.read(bytes)) return false;
          this.#waiting.delete(reject);
          resolve();
          return true;
        },
      });
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.channel.close();
  }
}

/** What a broken connection or a refusing server says, for the operator. */
function inWords(name: string, error: Error): Error {
  if (error instanceof CacheOpsError || error instanceof ProtocolError) return error;
  const refused = error instanceof ReplyError && /^(OOM|NOPERM)/.test(error.message);
  return new CacheOpsError(refused ? 'refused' : 'connect', `${name}: ${messageOf(error)}`);
}

/** Some entries of a chunk that belong to one master, in their order. */
export interface Load {
  lane: Lane;
  /** Numbers in the chunk. */
  entries: readonly number[];
}

/** A lane to each master of a target, and which of them a key belongs to. */
export interface Lanes {
  all: readonly Lane[];
  /** The entries of a chunk by master; only those that `take` says. */
  share(chunk: Chunk, take: (index: number) => boolean): Load[];
  close(): void;
}

export async function openLanes(masters: Masters, limits: Limits): Promise<Lanes> {
  const opened: Lane[] = [];
  const close = () => {
    for (const lane of opened) lane.close();
  };
  try {
    for (const { access } of masters.nodes)
      opened.push(new Lane(await openChannel(access, limits), limits.timeout, masters.target));
    const owners = opened.length > 1 ? await ownersOf(masters) : undefined;
    return {
      all: opened,
      close,
      share(chunk, take) {
        const entries: number[][] = opened.map(() => []);
        for (let index = 0; index < chunk.count; index += 1) {
          if (!take(index)) continue;
          const lane = owners ? (owners[slotOf(chunk.key(index))] as number) : 0;
          entries[lane]?.push(index);
        }
        return opened.flatMap((lane, at) => {
          const own = entries[at] ?? [];
          return own.length > 0 ? [{ lane, entries: own }] : [];
        });
      },
    };
  } catch (error) {
    close();
    throw error instanceof CacheOpsError
      ? error
      : new CacheOpsError('connect', `${masters.target}: ${messageOf(error)}`);
  }
}

/** For each of the 16,384 slots the number of its master. */
async function ownersOf({ nodes, target }: Masters): Promise<Uint16Array> {
  const reply = await nodes[0].channel.send('CLUSTER', 'SLOTS');
  const owners = new Uint16Array(16_384).fill(nodes.length);
  for (const range of Array.isArray(reply) ? reply : []) {
    const [from, to, master] = range as [number, number, [string, number]];
    const port = Number(master[1]);
    const at = nodes.findIndex(
      ({ access: { endpoint } }) =>
        'port' in endpoint &&
        endpoint.port === port &&
        (endpoint.host === master[0] || master[0] === ''),
    );
    owners.fill(at < 0 ? nodes.length : at, from, to + 1);
  }
  if (owners.includes(nodes.length))
    throw new CacheOpsError('connect', `${target}: not all slots of the cluster are served`);
  return owners;
}
