// How drills speak with a standing proxy: one JSON object a line over its unix socket.
import { connect, isIP } from 'node:net';
import type { Access } from '../../redis/target.js';
import { readMessages } from '../protocol.js';
import type { Toxic, Upstream } from './link.js';

/** `break` lasts as long as the connection that it came by; `pass` ends it, whoever holds it. */
export type ProxyOrder = { type: 'status' } | { type: 'break'; toxic: Toxic } | { type: 'pass' };

export interface ProxyStatus {
  type: 'status';
  /** host:port that it goes to. */
  upstream: string;
  broken: boolean;
  /** Connections that go through it. */
  connections: number;
}
export type ProxyAnswer = ProxyStatus | { type: 'refused'; reason: string };

/** As an application reaches Redis: by the proxy, with the certificate still that of Redis. */
export function byProxy(access: Access, listen: Upstream): Access {
  const { endpoint, tls } = access;
  const host = 'host' in endpoint ? endpoint.host : '';
  const itself = { host, servername: isIP(host) ? '' : host };
  return { ...access, endpoint: listen, ...(tls && { tls: { ...itself, ...tls } }) };
}

const TIMEOUT = 2_000;

/** Gives an order and leaves. Throws when nobody answers. */
export async function askProxy(
  socket: string,
  order: Exclude<ProxyOrder, { type: 'break' }>,
): Promise<ProxyStatus> {
  const { status, leave } = await holdProxy(socket, order);
  leave();
  return status;
}

/** Gives an order and stays connected until `leave`. */
export function holdProxy(
  socket: string,
  order: ProxyOrder,
): Promise<{ status: ProxyStatus; leave(): void }> {
  return new Promise((resolve, reject) => {
    const client = connect(socket, () => client.write(`${JSON.stringify(order)}\n`));
    const fail = (error: Error) => {
      client.destroy();
      reject(error);
    };
    client.on('error', fail);
    client.setTimeout(TIMEOUT, () => fail(new Error('the proxy does not answer')));
    readMessages<ProxyAnswer>(
      client,
      (answer) => {
        client.setTimeout(0);
        if (answer.type === 'refused') fail(new Error(answer.reason));
        else resolve({ status: answer, leave: () => client.destroy() });
      },
      () => fail(new Error('the proxy has ended')),
    );
  });
}
