// Doubles of an application that is wrong in one way, a slow way to a real Redis, and what is no Redis.
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';

export interface Double {
  /** What the health answers; redis mode by default. */
  health?: () => { status: number; body: string };
  /** What a read answers for the value that was written. */
  read?: (value: string) => string;
  /** Milliseconds before a write is carried out; it is, even if the request is cut off meanwhile. */
  slowWrite?: number;
  deleteStatus?: number;
}

export async function startDouble({
  health = () => ({ status: 200, body: '{"cache":"redis"}' }),
  read = (value) => value,
  slowWrite = 0,
  deleteStatus = 200,
}: Double = {}) {
  const values = new Map<string, string>();
  const requests: string[] = [];
  let writes = 0;
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '' } = request;
    requests.push(`${method} ${path}`);
    const send = (status: number, body: string) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    if (path === '/api/health') {
      const { status, body } = health();
      return send(status, body);
    }
    if (method === 'PUT') {
      const { value } = JSON.parse(await textOf(request));
      setTimeout(() => {
        values.set(path, value);
        writes += 1;
        send(200, '{}');
      }, slowWrite);
      return;
    }
    if (method === 'DELETE') {
      if (deleteStatus < 300) values.delete(path);
      return send(deleteStatus, '{}');
    }
    const value = values.get(path);
    return value === undefined
      ? send(404, '{}')
      : send(200, JSON.stringify({ key: path, value: read(value) }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    values,
    requests,
    /** Writes that have been carried out. */
    get writes() {
      return writes;
    },
    stop(): Promise<void> {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

/** A way to a real Redis on which every chunk towards it takes `delay` more milliseconds. */
export async function startProxy(redisPort: number, delay: (chunk: Buffer) => number) {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    const redis = connect(redisPort, '127.0.0.1');
    for (const side of [socket, redis]) {
      sockets.add(side);
      side.on('error', () => {}).on('close', () => [socket, redis].map((each) => each.destroy()));
    }
    let last = Promise.resolve();
    socket.on('data', (chunk) => {
      const ms = delay(chunk);
      last = last.then(() => new Promise((done) => setTimeout(done, ms)));
      last.then(() => redis.write(chunk));
    });
    redis.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** What answers every command with an error that would colour a terminal and ring its bell. */
export async function startGarbler() {
  const server = createTcpServer((socket) => {
    socket
      .on('error', () => {})
      .on('data', (chunk) => {
        const commands = String(chunk).match(/^\*\d+\r$/gm) ?? [];
        socket.write(commands.map(() => '-ERR \u001b[31mred\u0007 <&\r\n').join(''));
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, stop: () => void server.close() };
}
