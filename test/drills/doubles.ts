// Applications that misbehave on purpose, to see that a drill is not fooled by them. They are
// doubles of an application, named as such; Redis under them is a real one.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { Redis } from 'ioredis';

/**
 * liar: says memory mode while Redis is gone, but its requests fail.
 * sticky: degrades, and never returns to redis mode.
 * flappy: changes its mode back and forth while Redis is gone.
 * leaning: needs a server that it should do without; it has nothing to do with Redis.
 * deaf: never notices that Redis is gone and fails.
 * brimful: takes a Redis that evicts for one that is gone and fails.
 */
export type Fault = 'liar' | 'sticky' | 'flappy' | 'deaf' | 'leaning' | 'brimful';

export async function startDouble(
  fault: Fault,
  port: number,
): Promise<{ url: string; stop(): Promise<void> }> {
  const values = new Map<string, string>();
  let wentDown = false;
  let polls = 0;
  const server = createServer(async (request, response) => {
    const up = await SENSES[fault](port);
    wentDown ||= !up;
    const send = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url === '/api/health') {
      polls += 1;
      const memory = {
        liar: !up,
        sticky: wentDown,
        flappy: !up && polls % 6 < 3,
        deaf: false,
        leaning: false,
        brimful: false,
      }[fault];
      return send(200, { cache: memory ? 'memory' : 'redis' });
    }
    if (!up && ['liar', 'deaf', 'leaning', 'brimful'].includes(fault))
      return send(500, { error: 'no connection to Redis' });
    const key = request.url ?? '';
    if (request.method === 'GET')
      return values.has(key) ? send(200, { value: values.get(key) }) : send(404, {});
    let body = '';
    try {
      for await (const chunk of request) body += chunk;
    } catch {
      // The drill that asked was killed.
      return;
    }
    values.set(key, JSON.parse(body).value);
    send(200, {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => close(server),
  };
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Whether the port is open at all. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Whether Redis has evicted nothing in all its life. */
async function evictsNothing(port: number): Promise<boolean> {
  const client = new Redis(port, '127.0.0.1', { password: 'pass word', retryStrategy: () => null });
  client.on('error', () => {});
  try {
    return (await client.info('stats')).includes('evicted_keys:0\r');
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}

function isUp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (up: boolean) => {
      socket.destroy();
      resolve(up);
    };
    const greeting = 'AUTH "pass word"\r\nPING\r\n';
    const socket = connect(port, '127.0.0.1', () => socket.write(greeting));
    // Where no password is wanted AUTH is an error, and PING is answered all the same.
    let answer = '';
    socket.on('data', (data) => {
      answer += data;
      if (/PONG|NOAUTH/.test(answer)) done(/PONG/.test(answer));
    });
    socket.once('error', () => done(false));
    socket.once('end', () => done(false));
    socket.setTimeout(300, () => done(false));
  });
}

/** What each takes for Redis being there. */
const SENSES: Record<Fault, (port: number) => Promise<boolean>> = {
  liar: isUp,
  sticky: isUp,
  flappy: isUp,
  deaf: isUp,
  leaning: accepts,
  brimful: evictsNothing,
};
