import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { connect as connectTls } from 'node:tls';
import { encode, type Reply, ReplyError, ReplyParser } from './resp.js';
import type { Access } from './target.js';

/** The steps of opening a connection, in order. A unix socket has no dns; only rediss:// has tls. */
export const STAGES = ['dns', 'tcp', 'tls', 'auth', 'ping'] as const;
export type Stage = (typeof STAGES)[number];

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
    super(cause instanceof Error ? cause.message : String(cause));
  }
}

/** No answer within the limit. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
  constructor(readonly ms: number) {
    super(`no answer within ${ms} ms`);
  }
}

/** The other side closed the connection while an answer was awaited. */
export class ClosedError extends Error {
  override readonly name = 'ClosedError';
}

/**
 * One raw connection to one Redis, with replies in the order of the commands. Cheap to open
 * (nothing but node:net) and quick in bulk; discovery and redirection are left to `client.ts`.
 */
export class Channel {
  readonly timings: Timings = {};
  readonly #socket: Socket;
  readonly #parser = new ReplyParser();
  readonly #waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];
  #failure: Error | undefined;

  constructor(
    socket: Socket,
    private readonly timeout: number,
  ) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      try {
        this.#parser.feed(chunk, (reply) => this.#waiting.shift()?.resolve(reply));
      } catch (error) {
        this.#fail(error as Error);
      }
    });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new ClosedError('the other side closed the connection')));
  }

  /** Sends one command. Error replies are returned, not thrown; a broken connection rejects. */
  async send(...args: (string | number)[]): Promise<Reply> {
    const [reply] = await this.pipeline([args]);
    return reply as Reply;
  }

  /** Sends commands in one write and returns their replies in order. */
  pipeline(commands: readonly (readonly (string | number)[])[]): Promise<Reply[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const replies = commands.map(
      () => new Promise<Reply>((resolve, reject) => this.#waiting.push({ resolve, reject })),
    );
    this.#socket.write(commands.map(encode).join(''));
    return within(this.timeout, Promise.all(replies), (error) => this.#fail(error));
  }

  close(): void {
    this.#fail(new ClosedError('closed'));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

/** Limits of a connection: milliseconds for opening it and for each answer, and an early end. */
export interface Limits {
  timeout: number;
  signal?: AbortSignal;
}

/**
 * Opens a connection stage by stage, each timed. Throws StageError; whatever was opened is closed.
 * `timeout` bounds the opening as a whole and then every pipeline.
 */
export async function openChannel(access: Access, { timeout, signal }: Limits): Promise<Channel> {
  const timings: Timings = {};
  const deadline = performance.now() + timeout;
  let socket: Socket | undefined;
  let channel: Channel | undefined;
  let stage: Stage = 'dns';
  const step = async <T>(name: Stage, work: () => Promise<T>): Promise<T> => {
    stage = name;
    signal?.throwIfAborted();
    const start = performance.now();
    const result = await within(Math.max(deadline - start, 1), work(), undefined, timeout);
    timings[name] = performance.now() - start;
    return result;
  };
  const abort = () => (channel ? channel.close() : socket?.destroy(new ClosedError('interrupted')));
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const { endpoint } = access;
    const address =
      'path' in endpoint
        ? endpoint
        : {
            host: isIP(endpoint.host)
              ? endpoint.host
              : await step('dns', () => resolve(endpoint.host)),
            port: endpoint.port,
          };
    await step('tcp', () => {
      socket = connectTcp({ ...address, noDelay: true });
      return opened(socket, 'connect');
    });
    if (access.tls) {
      const host = 'path' in endpoint ? undefined : endpoint.host;
      await step('tls', () => {
        const secure = connectTls({
          socket: socket as Socket,
          ...(host && !isIP(host) && { servername: host }),
          ...(host && { host }),
          ...access.tls,
        });
        socket = secure;
        return opened(secure, 'secureConnect');
      });
    }
    channel = new Channel(socket as unknown as Socket, timeout);
    const open = channel;
    if (access.password !== undefined || access.username !== undefined)
      await step('auth', () => authenticate(open, access));
    // Without the right to connect, PING answers NOAUTH: that is the auth stage's failure.
    await step('ping', async () => demand(await open.send('PING')));
    if (access.db) demand(await open.send('SELECT', access.db));
    Object.assign(channel.timings, timings);
    return channel;
  } catch (error) {
    channel?.close();
    (socket as Socket | undefined)?.destroy();
    signal?.throwIfAborted();
    throw new StageError(
      error instanceof ReplyError && /^(NOAUTH|WRONGPASS)/.test(error.message) ? 'auth' : stage,
      timings,
      error,
    );
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** The reply, or throws it when it is an error. */
export function demand(reply: Reply): Exclude<Reply, ReplyError> {
  if (reply instanceof ReplyError) throw reply;
  return reply;
}

async function resolve(host: string): Promise<string> {
  // verbatim: the order that the system's resolver prefers, as other clients see it.
  const { address } = await lookup(host, { verbatim: true });
  return address;
}

async function authenticate(channel: Channel, { username, password = '' }: Access): Promise<void> {
  demand(await channel.send('AUTH', ...(username ? [username] : []), password));
}

function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      socket.off('error', reject);
      resolve();
    };
    socket.once(event, done);
    socket.once('error', reject);
    socket.once('close', () => reject(new ClosedError('the other side closed the connection')));
  });
}

/** Rejects with TimeoutError when `work` takes longer than `ms`; `said` is the limit to report. */
function within<T>(
  ms: number,
  work: Promise<T>,
  onTimeout?: (error: Error) => void,
  said = ms,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const error = new TimeoutError(said);
      onTimeout?.(error);
      reject(error);
    }, ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
