import { createServer, connect as dial, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { buildCli } from '../queues/built.js';
import { type RedisServer, startRedis } from '../servers/redis.js';
import { at, keyOf, migrating, task, tasks } from './estate.js';

let server: RedisServer;
let redis: Redis;
let cli: Awaited<ReturnType<typeof buildCli>>;
beforeAll(async () => {
  [server, cli] = await Promise.all([startRedis(), buildCli()]);
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  cli.remove();
  await server.stop();
});
beforeEach(() => redis.flushall());

/** A way to Redis on which what is sent, or what comes back, can be held up until `work` is done. */
async function heldUp(side: 'request' | 'reply', when: RegExp, work: () => unknown) {
  let done = false;
  const sockets: Socket[] = [];
  const proxy = createServer((client) => {
    const upstream = dial(server.port, '127.0.0.1');
    let asked = false;
    const pass = (from: Socket, to: Socket, isHeld: (text: string) => boolean) =>
      from.on('data', async (bytes) => {
        if (!done && isHeld(bytes.toString('latin1'))) {
          done = true;
          from.pause();
          await work();
          from.resume();
        }
        to.write(bytes);
      });
    pass(client, upstream, (text) => {
      asked ||= when.test(text);
      return side === 'request' && asked;
    });
    pass(upstream, client, () => side === 'reply' && asked);
    for (const socket of [client, upstream]) {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.on('close', () => (socket === client ? upstream : client).destroy());
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  const { port } = proxy.address() as { port: number };
  return { url: `redis://127.0.0.1:${port}`, happened: () => done };
}

it('a writer between the look at a value and its replacement keeps what it wrote', async () => {
  const mine = { ...task(1), updatedAt: at(10) };
  const live = JSON.stringify({ ...mine, status: 'completed', updatedAt: at(30) });
  const way = await heldUp('request', /\bEVAL\b/, () => redis.set(keyOf(mine), live));
  const site = migrating(way.url);
  await redis.set(keyOf(mine), JSON.stringify({ ...mine, status: 'pending', updatedAt: at(0) }));
  const id = await site.plan(site.file('tasks.ndjson', [mine]));
  const { code, result } = await site.json(['apply', id, '--yes']);
  expect(way.happened()).toBe(true);
  expect(await redis.get(keyOf(mine))).toBe(live);
  expect([code, result.counts.newer, result.counts.replaced]).toEqual([0, 1, 0]);
});

it('what was written just before a kill -9 counts as written by this plan', async () => {
  let kill: () => Promise<void> = async () => {};
  const way = await heldUp('reply', /\bPXAT\b/, () => kill());
  const site = migrating(way.url);
  const id = await site.plan(site.file('tasks.ndjson', tasks(50)));
  const child = site.start(cli.bin, 'apply', id, '--yes');
  kill = async () => {
    child.kill('SIGKILL');
    await child.ended;
  };
  await child.ended;
  expect(way.happened()).toBe(true);
  expect(await redis.dbsize()).toBe(50);
  const { code, result } = await site.json(['apply', id, '--yes', '--resume']);
  expect([code, result.counts.created, result.counts.equal]).toEqual([0, 50, 0]);
  const { result: back } = await site.json(['rollback', id, '--yes']);
  expect(back.counts.removed).toBe(50);
});
