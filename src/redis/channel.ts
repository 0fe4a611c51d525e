import { setMaxListeners } from 'node:events';
import { isIP, type Socket } from 'node:net';
import { codeOf, messageOf } from '../errors.js';
import { monotonic } from '../monotonic.js';
import { authenticate, pingOnce } from './greet.js';
import { demand, encode, type Reply, ReplyError, ReplyParser } from './resp.js';
import {
  ClosedError,
  connectSocket,
  ready,
  resolveHost,
  unlessAborted,
  upgrade,
  within,
} from './socket.js';
import type { Access } from './target.js';

export { demand } from './resp.js';
export { ClosedError, TimeoutError } from './socket.js';

/** The steps of opening a connection, in order. A unix socket has no dns; only rediss:// has tls. */
export const STAGES = ['dns', 'tcp', 'tls', 'auth', 'ping'] as const;
export type Stage = (typeof STAGES)[number];

/** Takes over a channel's bytes: every chunk that comes, and the failure that ends it. */
export interface ByteTaker {
  data(chunk: Buffer): void;
  end(error: Error): void;
}

/** Milliseconds each finished stage took. */
export type Timings = Partial<Record<Stage, number>>;

/** Opening failed: at which stage, after which finished ones, and why. */
export class StageError extends Error {
  override readonly name = 'StageError';
  constructor(
    readonly stage: Stage,
    readonly timings: Timings,
    override readonly cause: unknown,
  ) {
    super(messageOf(cause));
  }
}

/** A pipeline on its way. */
interface Pending {
  replies: Reply[];
  count: number;
  resolve(replies: Reply[]): void;
  reject(error: Error): void;
}

/**
 * One raw connection to one Redis, with replies in the order of the commands. Cheap to open
 * (nothing but node:net) and quick in bulk; discovery is left to `topology.ts`, redirection to `client.ts`.
 */
export class Channel {
  readonly timings: Timings = {};
  readonly #socket: Socket;
  readonly #parser = new ReplyParser();
  /** Pipelines whose replies are awaited, the oldest first. */
  readonly #waiting: Pending[] = [];
  #failure: Error | undefined;
  #taker: ByteTaker | undefined;

  constructor(
    socket: Socket,
    private readonly timeout: number,
  ) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      try {
        if (this.#taker) this.#taker.data(chunk);
        else this.#parser.feed(chunk, (reply) => this.#receive(reply));
      } catch (error) {
        this.#fail(error as Error);
      }
    });
    // A server that ends closes or resets, as it happens to have read what was sent: both are one thing.
    socket.on('error', (error) =>
      this.#fail(
        /^(ECONNRESET|EPIPE)$/.test(codeOf(error) ?? '')
          ? new ClosedError('the other side reset the connection', { cause: error })
          : error,
      ),
    );
    socket.on('close', () => this.#fail(new ClosedError('the other side closed the connection')));
  }

  /** From here on arguments and bulk replies are bytes, one latin1 character each: keys need not be UTF-8. */
  speakBytes(): void {
    this.#parser.encoding = 'latin1';
  }

  /** Sends one command. Error replies are returned, not thrown; a broken connection rejects. */
  async send(...args: (string | number)[]): Promise<Reply> {
    const [reply] = await this.pipeline([args]);
    return reply as Reply;
  }

  /** Sends commands in one write and returns their replies in order. */
  pipeline(commands: readonly (readonly (string | number)[])[]): Promise<Reply[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (commands.length === 0) return Promise.resolve([]);
    // One promise for all: one a reply costs more than the reply.
    const replies = new Promise<Reply[]>((resolve, reject) =>
      this.#waiting.push({ replies: [], count: commands.length, resolve, reject }),
    );
    const { encoding } = this.#parser;
    let text = '';
    for (const args of commands) text += encode(args, encoding);
    // Most of it is ASCII, which needs no conversion.
    const isBytes = Buffer.byteLength(text) === text.length;
    this.#socket.write(text, isBytes ? 'latin1' : encoding);
    return within(this.timeout, replies, { onTimeout: (error) => this.#fail(error) });
  }

  /**
   * From here on the replies are the taker's to read, and nothing bounds them: for hot paths, where a
   * promise for each reply costs more than the reply. What the taker throws ends the connection.
   * Returns what writes bytes, as they are or one latin1 character each.
   */
  handOver(taker: ByteTaker): (bytes: string | Buffer) => void {
    if (this.#failure) throw this.#failure;
    this.#taker = taker;
    return (bytes) => this.#socket.write(bytes, 'latin1');
  }

  close(): void {
    this.#fail(new ClosedError('closed'));
  }

  /** Hands over the connection, paused, for what is not command and reply. Nothing may be awaited. */
  release(): Socket {
    return this.#socket.removeAllListeners('data').pause();
  }

  #receive(reply: Reply): void {
    const [pending] = this.#waiting;
    // Said unasked and followed by a hang-up: the client limit and the protected mode.
    if (!pending && reply instanceof ReplyError) this.#fail(reply);
    if (!pending) return;
    pending.replies.push(reply);
    if (pending.replies.length < pending.count) return;
    this.#waiting.shift();
    pending.resolve(pending.replies);
  }

  #fail(error: Error): void {
    const first = !this.#failure;
    this.#failure ??= error;
    this.#socket.destroy();
    if (first) this.#taker?.end(error);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

/** However patient the operator is with answers: a connection is there within this, or it is not. */
const CONNECT_LIMIT = 10_000;

/** Limits of a connection: milliseconds for opening it and for each answer, and an early end. */
export interface Limits {
  timeout: number;
  signal?: AbortSignal;
  /** A user without the right to PING is let in all the same: that it is refused is an answer. */
  withoutPing?: boolean;
}

/**
 * Opens a connection stage by stage, each timed. Throws StageError; whatever was opened is closed.
 * `timeout` bounds the opening as a whole (its way up to AUTH by 10 s too) and then every
 * pipeline; `signal` ends the opening only.
 */
export async function openChannel(
  access: Access,
  { timeout, signal, withoutPing = false }: Limits,
): Promise<Channel> {
  const { endpoint } = access;
  const timings: Timings = {};
  const began = monotonic();
  let socket: Socket | undefined;
  let stage: Stage = 'dns';
  // Every open connection listens on the one signal; Node warns of a leak at eleven.
  if (signal) setMaxListeners(0, signal);
  const limit = () =>
    stage === 'auth' || stage === 'ping' ? timeout : Math.min(timeout, CONNECT_LIMIT);
  const left = () => Math.max(began + limit() - monotonic(), 1);
  const bounded = <T>(work: () => Promise<T>): Promise<T> => {
    signal?.throwIfAborted();
    return unlessAborted(signal, within(left(), work(), { said: limit() }));
  };
  const step = async <T>(name: Stage, work: () => Promise<T>): Promise<T> => {
    stage = name;
    const start = monotonic();
    const result = await bounded(work);
    timings[name] = monotonic() - start;
    return result;
  };
  try {
    const { tls } = access;
    // Loading it is not to count as time of the handshake.
    if (tls) await import('node:tls');
    const addresses =
      'path' in endpoint
        ? []
        : isIP(endpoint.host)
          ? [{ address: endpoint.host, family: isIP(endpoint.host) }]
          : await step('dns', () => resolveHost(endpoint.host));
    await step('tcp', () => {
      socket = connectSocket(endpoint, addresses, left());
      return ready(socket, 'connect');
    });
    if (tls) {
      await step('tls', async () => {
        socket = await upgrade(socket as unknown as Socket, endpoint, tls);
        await ready(socket, 'secureConnect');
      });
    }
    const channel = new Channel(socket as unknown as Socket, timeout);
    if (access.password !== undefined || access.username !== undefined)
      await step('auth', () => authenticate(channel, access));
    // Without the right to connect, PING answers NOAUTH: that is the auth stage's failure.
    await step('ping', () => pingOnce(channel, withoutPing));
    const { db } = access;
    if (db) await bounded(async () => demand(await channel.send('SELECT', db)));
    Object.assign(channel.timings, timings);
    return channel;
  } catch (error) {
    socket?.destroy();
    signal?.throwIfAborted();
    throw new StageError(trueStage(error, stage), timings, error);
  }
}

/** The stage that an error belongs to, which is not always the one where it is seen. */
function trueStage(error: unknown, seen: Stage): Stage {
  if (error instanceof ReplyError && /^(NOAUTH|WRONGPASS)/.test(error.message)) return 'auth';
  // TLS 1.3 lets the client finish before the server has looked at its certificate.
  return codeOf(error)?.startsWith('ERR_SSL') ? 'tls' : seen;
}
