// The service's cache: 10,000 reads by 50 clients through HTTP in redis mode, the same library beside a plain
// ioredis client (the floor), and one get in memory mode. node bench/service/cache.mjs [runs]
import { spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { Redis } from 'ioredis';
import { load, quantile, spread, table } from '../lib/figures.mjs';
import { startRedis } from '../servers.mjs';

const runs = Number(process.argv[2] ?? 3);
const { FallbackCache, MemoryCache, RedisLink } = await import('../../dist/library.js');
const READS = 10_000;
const CLIENTS = 50;
const VALUE = { text: 'x'.repeat(1_000) };
const KEYS = 1_000;

const redis = await startRedis();
const program = new URL('../../dist/service.js', import.meta.url).pathname;
const service = spawn(process.execPath, [program], {
  stdio: ['ignore', 'pipe', 'inherit'],
  env: { REDIS_URL: `redis://127.0.0.1:${redis.port}`, CACHE_TYPE: 'redis', ENV: 'bench' },
});
const [first] = await new Promise((resolve) => {
  service.stdout.once('data', (text) => resolve(String(text).split('\n')));
});
const { url } = JSON.parse(first);
const link = new RedisLink({
  address: { host: '127.0.0.1', port: redis.port, db: 0 },
  probeKey: 'bench:probe',
});
await link.start();
const library = new FallbackCache({ link, prefix: 'app:bench:cache:' });
const plain = new Redis(redis.port);
for (let key = 0; key < KEYS; key += 1) await library.set(`k${key}`, VALUE, 600);

const agents = Array.from({ length: CLIENTS }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
const overHttp = (key, client) =>
  new Promise((resolve, reject) => {
    request(`${url}/api/cache/k${key}`, { agent: agents[client] }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode}`)),
      );
    })
      .on('error', reject)
      .end();
  });

/** Reads a second and the latencies in ms of one run. */
async function reads(read) {
  const times = [];
  let next = 0;
  const drive = async (client) => {
    while (next < READS) {
      const key = (next++ * 7_919) % KEYS;
      const start = performance.now();
      await read(key, client);
      times.push(performance.now() - start);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: CLIENTS }, (_, client) => drive(client)));
  const took = performance.now() - start;
  return { rate: (READS * 1_000) / took, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

const ways = {
  'service over HTTP, redis mode': overHttp,
  'FallbackCache in one process, redis mode': (key) => library.get(`k${key}`),
  'ioredis get + JSON.parse (the floor)': async (key) =>
    JSON.parse(await plain.get(`app:bench:cache:k${key}`)),
};
const seen = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
for (const read of Object.values(ways)) await reads(read); // Warm.
for (let run = 0; run < runs; run += 1)
  for (const [name, read] of Object.entries(ways)) seen[name].push(await reads(read));
table(
  [`${READS} reads by ${CLIENTS} clients, 1 KB`, 'reads/s', 'p50 ms', 'p99 ms'],
  Object.entries(seen).map(([name, all]) => [
    name,
    ...['rate', 'p50', 'p99'].map((field) =>
      spread(
        all.map((one) => one[field]),
        field === 'rate' ? 0 : 2,
      ),
    ),
  ]),
);

const memory = new MemoryCache();
for (let key = 0; key < KEYS; key += 1) await memory.set(`k${key}`, VALUE, 600);
const times = [];
for (let at = 0; at < 100_000; at += 1) {
  const start = performance.now();
  await memory.get(`k${(at * 7_919) % KEYS}`);
  times.push(performance.now() - start);
}
table(
  ['memory mode, 100,000 gets of 1 KB', 'p50 ms', 'p99 ms', 'mean ms'],
  [
    [
      'MemoryCache.get',
      quantile(times, 0.5).toFixed(4),
      quantile(times, 0.99).toFixed(4),
      (times.reduce((sum, time) => sum + time, 0) / times.length).toFixed(4),
    ],
  ],
);
process.stdout.write(`\n${load()}\n`);

memory.close();
library.close();
await link.close();
plain.disconnect();
for (const agent of agents) agent.destroy();
service.kill('SIGKILL');
await redis.stop();
