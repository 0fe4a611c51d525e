import { connect, createServer, type Server, type Socket } from 'node:net';
import { ReplyParser } from '../../src/redis/resp.js';
import { freePort } from './ports.js';

export interface ListeningProxy {
  port: number;
  /** The commands that clients have sent, each with its first argument where that names what it does. */
  sent: string[];
  stop(): void;
}

/** Two words make these commands. */
const CONTAINERS = new Set(['CLIENT', 'CLUSTER', 'SLOWLOG', 'CONFIG', 'MEMORY']);

/**
 * Stands in front of a Redis and writes down what it is asked, which no figure of its own tells from what
 * scripts call. `delay` is in ms, of each question.
 */
export async function listenTo(target: number, delay = 0): Promise<ListeningProxy> {
  const sent: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const redis = connect(target, '127.0.0.1');
    // A command is written as a reply of bulk strings is.
    const parser = new ReplyParser();
    client.on('data', (chunk) => {
      parser.feed(chunk, (command) => {
        const [name = '', what] = (command as string[]).map(String);
        sent.push(CONTAINERS.has(name) ? `${name} ${what}` : name);
      });
      if (delay > 0) setTimeout(() => redis.write(chunk), delay);
      else redis.write(chunk);
    });
    redis.on('data', (chunk) => client.write(chunk));
    for (const socket of [client, redis]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        redis.destroy();
      });
    }
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    sent,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
