import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { Link, type Toxic, type Upstream } from './link.js';

/** A TCP proxy on one or more addresses of this machine. */
export class TcpProxy {
  readonly #servers: Server[] = [];
  readonly #links = new Set<Link>();

  private constructor(
    private readonly upstream: Upstream,
    private toxic: Toxic,
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

  /** Connections that go through it now. */
  get connections(): number {
    return this.#links.size;
  }

  /** From now on this is done, to open connections too; nothing: all goes through again. */
  turn(toxic: Toxic): void {
    this.toxic = toxic;
    for (const link of this.#links) link.turn(toxic);
  }

  /** Ends at once: every connection through it is cut. */
  async close(): Promise<void> {
    for (const link of this.#links) link.cut();
    await Promise.all(
      this.#servers.map((server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  async #listen(host: string, port: number): Promise<void> {
    const server = createServer({ noDelay: true }, (client) => {
      const link = new Link(client, this.upstream, this.toxic, () => this.#links.delete(link));
      this.#links.add(link);
    });
    server.listen({ host, port, ipv6Only: host === '::' });
    await once(server, 'listening');
    server.on('error', () => {});
    this.#servers.push(server);
  }
}
