import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { CacheOpsError, codeOf, messageOf } from '../../errors.js';
import { readMessages } from '../protocol.js';
import { askProxy, type ProxyAnswer, type ProxyOrder } from './control.js';
import type { Upstream } from './link.js';
import { TcpProxy } from './tcp.js';

export interface StandingProxy {
  listen: Upstream;
  upstream: Upstream;
  /** Path of the unix socket that drills give their orders by. */
  socket: string;
}

/**
 * Passes everything on, until a drill has something done to it. That lasts as long as the drill's own
 * connection to the control socket: it ends with the process that holds it, however that ends.
 * Runs until `signal`; throws `refused` when the port or the socket is taken.
 */
export async function runProxy(
  { listen, upstream, socket }: StandingProxy,
  { signal, tell }: { signal: AbortSignal; tell: (message: string) => void },
): Promise<void> {
  const proxy = await TcpProxy.start([listen.host], listen.port, upstream).catch((error) => {
    throw new CacheOpsError(
      'refused',
      `cannot listen on ${listen.host}:${listen.port} (${codeOf(error) ?? messageOf(error)})`,
      'does another proxy run already?',
    );
  });
  let holder: Socket | undefined;
  const pass = (why: string) => {
    if (!holder) return;
    holder = undefined;
    proxy.turn({});
    tell(`all goes through again: ${why}`);
  };
  const obey = (order: ProxyOrder, from: Socket): ProxyAnswer => {
    if (order.type === 'break') {
      if (holder) return { type: 'refused', reason: 'another drill holds the proxy' };
      holder = from;
      proxy.turn(order.toxic);
      tell(`a drill begins: ${JSON.stringify(order.toxic)}`);
    }
    if (order.type === 'pass') pass('it was told to');
    return {
      type: 'status',
      upstream: `${upstream.host}:${upstream.port}`,
      broken: holder !== undefined,
      connections: proxy.connections,
    };
  };
  const clients = new Set<Socket>();
  const control = createServer((client) => {
    clients.add(client);
    const end = () => {
      clients.delete(client);
      if (client === holder) pass('the drill has ended');
    };
    client.once('close', end);
    const read = (order: ProxyOrder) => client.write(`${JSON.stringify(obey(order, client))}\n`);
    readMessages<ProxyOrder>(client, read, () => client.destroy());
  });
  try {
    await open(control, socket);
    tell(`${listen.host}:${listen.port} goes to ${upstream.host}:${upstream.port}`);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    for (const client of clients) client.destroy();
    control.close();
    await proxy.close();
  }
}

/** Whoever may write to the socket may break: that is its owner alone. */
async function open(server: Server, socket: string): Promise<void> {
  // The port is ours by now: what is left of a proxy that was killed may go.
  if (await askProxy(socket, { type: 'status' }).then(Boolean, () => false))
    throw new CacheOpsError('refused', `another proxy answers on ${socket}`);
  rmSync(socket, { force: true });
  server.listen(socket);
  try {
    await once(server, 'listening');
    chmodSync(socket, 0o600);
  } catch (error) {
    throw new CacheOpsError(
      'config',
      `cannot make the socket ${socket} (${codeOf(error) ?? messageOf(error)})`,
      'its folder must be there and writable, and its path shorter than 100 characters',
    );
  }
}
