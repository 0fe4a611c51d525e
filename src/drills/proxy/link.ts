import { connect, type Socket } from 'node:net';
import { DelayLine } from './delay-line.js';

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

/** One connection through a proxy: the client's half and the server's. */
export class Link {
  readonly #late: DelayLine;
  #server: Socket | undefined;
  /** Something has vanished: the answer to what comes next would be taken for the answer to that. */
  #holed = false;

  constructor(
    private readonly client: Socket,
    upstream: Upstream,
    private toxic: Toxic,
    onEnd: () => void,
  ) {
    this.#late = new DelayLine(client);
    client.on('error', () => {});
    client.once('close', onEnd);
    client.on('data', (chunk) => this.#ask(chunk));
    if (toxic.reset || toxic.blackhole) this.#holed = true;
    else this.#server = this.#join(upstream);
  }

  turn(toxic: Toxic): void {
    this.toxic = toxic;
    if (toxic.delay === undefined) this.#late.flush();
    if (this.#holed && !toxic.reset && !toxic.blackhole) this.cut();
  }

  cut(): void {
    this.client.destroy();
    this.#server?.destroy();
  }

  #join(upstream: Upstream): Socket {
    const { client } = this;
    const server: Socket = connect({
      ...upstream,
      noDelay: true,
      // One buffer for all: a new one of 64 KB for each read is what most of the time went into.
      onread: {
        buffer: SHARED,
        callback: (size) => {
          this.#reply(Buffer.from(SHARED.subarray(0, size)), server);
          return true;
        },
      },
    });
    server.on('error', () => {});
    client.once('close', () => server.destroy());
    server.once('close', () => client.destroySoon());
    client.once('end', () => server.end());
    server.once('end', () => client.end());
    return server;
  }

  #ask(chunk: Buffer): void {
    const { reset, blackhole } = this.toxic;
    if (reset) this.client.resetAndDestroy();
    else if (blackhole) this.#holed = true;
    else if (this.#server) handOn(chunk, this.client, this.#server);
  }

  #reply(chunk: Buffer, server: Socket): void {
    const { delay, jitter = 0, blackhole } = this.toxic;
    if (blackhole) this.#holed = true;
    else if (delay !== undefined) this.#late.push(chunk, delay + (Math.random() * 2 - 1) * jitter);
    else handOn(chunk, server, this.client);
  }
}

const SHARED = Buffer.allocUnsafe(65_536);

/** Who sends faster than the other side takes is paused until it has. */
function handOn(chunk: Buffer, from: Socket, to: Socket): void {
  if (to.write(chunk)) return;
  from.pause();
  to.once('drain', () => from.resume());
}
