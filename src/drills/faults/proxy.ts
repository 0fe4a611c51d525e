import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

/** What is done to the bytes; nothing: they go through as they come. Milliseconds. */
export interface Toxic {
  /** Replies come that much later, plus or minus up to `jitter`. */
  delay?: number | undefined;
  jitter?: number | undefined;
  /** A connection is reset when something is asked on it. */
  reset?: boolean | undefined;
  /** What is asked vanishes, and is never answered. */
  blackhole?: boolean | undefined;
}

/** Where the bytes go to. */
export interface Upstream {
  host: string;
  port: number;
}

/** A TCP proxy on one or more addresses of this machine. */
export class TcpProxy {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly upstream: Upstream,
    private readonly toxic: Toxic,
  ) {}

  /** Listens on every address that is there; throws when there is none of them. */
  static async start(
    hosts: readonly string[],
    port: number,
    upstream: Upstream,
    toxic: Toxic = {},
  ): Promise<TcpProxy> {
    const proxy = new TcpProxy(upstream, toxic);
    const failures: unknown[] = [];
    for (const host of hosts) {
      await proxy.#listen(host, port).catch((error: unknown) => failures.push(error));
    }
    if (proxy.#servers.length === 0) throw failures[0];
    return proxy;
  }

  /** Ends at once: every connection through it is cut. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      this.#servers.map((server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  async #listen(host: string, port: number): Promise<void> {
    const server = createServer({ noDelay: true }, (client) => this.#serve(client));
    server.listen({ host, port, ipv6Only: host === '::' });
    await once(server, 'listening');
    server.on('error', () => {});
    this.#servers.push(server);
  }

  #serve(client: Socket): void {
    this.#keep(client);
    const { reset, blackhole, delay } = this.toxic;
    if (reset) {
      client.once('data', () => client.resetAndDestroy());
      return;
    }
    if (blackhole) {
      client.resume();
      return;
    }
    const reply =
      delay === undefined
        ? handOn(client)
        : later(client, () => delay + (Math.random() * 2 - 1) * (this.toxic.jitter ?? 0));
    const server: Socket = connect({
      ...this.upstream,
      noDelay: true,
      // One buffer for all: a new one of 64 KB for each read is what most of the time went into.
      onread: {
        buffer: SHARED,
        callback: (size) => reply(Buffer.from(SHARED.subarray(0, size)), server),
      },
    });
    this.#keep(server);
    client.once('close', () => server.destroy());
    server.once('close', () => client.destroySoon());
    const ask = handOn(server);
    client.on('data', (chunk) => ask(chunk, client));
    client.once('end', () => server.end());
    server.once('end', () => client.end());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

const SHARED = Buffer.allocUnsafe(65_536);

/** Takes what has come; false when no more is wanted for now, and then `from` is paused until it is. */
type Taker = (chunk: Buffer, from: Socket) => boolean;

function handOn(to: Socket): Taker {
  return (chunk, from) => {
    if (to.write(chunk)) return true;
    from.pause();
    to.once('drain', () => from.resume());
    return true;
  };
}

/** Hands on what comes after `delay` ms, in the order in which it came. */
function later(to: Socket, delay: () => number): Taker {
  const waiting: { at: number; chunk: Buffer }[] = [];
  let timer: NodeJS.Timeout | undefined;
  const send = () => {
    timer = undefined;
    for (let [next] = waiting; next && next.at <= performance.now(); [next] = waiting) {
      to.write(next.chunk);
      waiting.shift();
    }
    const [next] = waiting;
    // A timer may fire a little early.
    if (next) timer = setTimeout(send, Math.max(1, Math.ceil(next.at - performance.now())));
  };
  to.once('close', () => clearTimeout(timer));
  return (chunk) => {
    const last = waiting.at(-1)?.at ?? 0;
    waiting.push({ at: Math.max(last, performance.now() + Math.max(0, delay())), chunk });
    if (!timer) send();
    return true;
  };
}
