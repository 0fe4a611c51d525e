// An RDB file of a million keys in the page cache, read to the end: every key, type, encoding, size, time.
// node bench/memory/rdb.mjs [runs] [keys] [gigabytes of a generated stream]
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { load, spread, table } from '../lib/figures.mjs';
import { connect } from '../lib/resp.mjs';
import { run } from '../lib/run.mjs';
import { startRedis } from '../servers.mjs';
import { seedCorpus } from './seed.mjs';

const runs = Number(process.argv[2] ?? 5);
const keys = Number(process.argv[3] ?? 1_000_000);
const gigabytes = process.argv[4] ?? '5';
const program = new URL('./rdb-reader.mjs', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
const reader = join(folder, 'read.mjs');
await build({
  entryPoints: [new URL('../../src/redis/rdb/read.ts', import.meta.url).pathname],
  outfile: reader,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
});
const server = await startRedis('--dir', folder);
await seedCorpus(server.port, keys);
const redis = await connect(server.port);
await redis.send('SAVE');
const [, memory] = /used_memory_dataset:(\d+)/.exec(await redis.send('INFO', 'memory'));
redis.close();
await server.stop();
const file = join(folder, 'dump.rdb');

async function measure(input, mode) {
  const { stdout, mb } = await run([program, reader, input, mode]);
  return { ...JSON.parse(stdout), mb };
}

const WAYS = {
  'the bytes alone': 'bytes',
  'every key': 'keys',
  'every key, sum verified': 'verify',
};
const results = Object.fromEntries(Object.keys(WAYS).map((name) => [name, []]));
const before = load();
for (let index = 0; index < runs; index += 1) {
  for (const [name, mode] of Object.entries(WAYS)) {
    const result = await measure(file, mode);
    if (mode !== 'bytes' && result.keys !== keys) throw new Error(`${result.keys} keys`);
    results[name].push(result);
  }
}
const stream = await measure(gigabytes, 'keys');
const mb = (bytes) => (bytes / 2 ** 20).toFixed(0);
process.stdout.write(
  `${keys} keys, data of ${mb(memory)} MB, RDB of ${mb(statSync(file).size)} MB, ${runs} runs, ${before} before, ${load()} after\n`,
);
const figures = (list) => [
  spread(list.map(({ ms }) => ms)),
  spread(list.map(({ keys: count, ms }) => count / ms)),
  spread(list.map(({ bytes, ms }) => bytes / 2 ** 20 / (ms / 1_000))),
  spread(list.map((result) => result.mb)),
];
table(
  ['what', 'ms', '1,000 keys/s', 'MB/s', 'peak memory MB'],
  [
    ...Object.entries(results).map(([name, list]) => [name, ...figures(list)]),
    [`a stream of ${gigabytes} GB, made on the fly by the same process`, ...figures([stream])],
    ['bar', '1,360 (0.2 x 6,800)', '900', '', '250'],
  ],
);
process.stdout.write(
  '\nHDT3213/rdb, prefix report of 1,000,000 keys: 6.8 s, as given in the research; not run here.\n',
);
rmSync(folder, { recursive: true, force: true });
