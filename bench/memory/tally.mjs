// What it costs to sum up keys: ns of CPU a key, and the memory for 10M keys with 1M prefixes.
// node bench/memory/tally.mjs [keys]
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const keys = Number(process.argv[2] ?? 10_000_000);
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
const outfile = join(folder, 'tally.mjs');
const source = new URL('../../src/memory/tally/tally.ts', import.meta.url).pathname;
await build({ entryPoints: [source], outfile, bundle: true, format: 'esm', platform: 'node' });
const { Tally } = await import(outfile);
rmSync(folder, { recursive: true });

const md5 = (number) => createHash('md5').update(String(number)).digest('hex');
const word = (number) =>
  number.toString(26).replace(/[0-9]/g, (digit) => 'qrstuvwxyz'[Number(digit)]);
/** Keys as applications have them, and two shapes that no tree of prefixes likes. */
const SHAPES = {
  usual: (n) =>
    [
      () => `asl:llm:${md5(n)}`,
      () => `bull:title-screening:${n}`,
      () => `session:${n}`,
      () => `langextract:prod:task:import:user${n % 5_000}:${n}`,
      () => `celery-task-meta-${md5(n).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}`,
    ][n % 5](),
  'one million names': (n) => `${word(n % 1_000_000)}:profile:${n}`,
  'a million of three names': (n) =>
    `${word(n % 100)}:${word(n % 331)}:${word(n % 907)}:${word(n % 7)}`,
};
/** So many keys are made at a time: to make them is not measured, and they are not kept. */
const BATCH = 20_000;

process.stdout.write('| keys | ns a key | nodes | RSS, MB | checkpoint, MB | ms |\n');
process.stdout.write('|---|---|---|---|---|---|\n');
for (const [name, shape] of Object.entries(SHAPES)) measure(name, shape);

function measure(name, shape) {
  const tally = new Tally({ server: 'bench' });
  const fact = { db: 0, encoding: null, elements: null, idle_s: null, frequency: null };
  let spent = 0;
  let rss = 0;
  for (let first = 0; first < keys; first += BATCH) {
    const made = [];
    for (let n = first; n < first + BATCH; n += 1) {
      made.push(Buffer.from(shape(n), 'latin1').latin1Slice());
    }
    const before = process.cpuUsage();
    for (let at = 0; at < BATCH; at += 1) {
      const n = first + at;
      fact.key = made[at];
      fact.type = n % 3 === 0 ? 'hash' : 'string';
      fact.bytes = 56 + ((n * 7_919) % 4_001);
      fact.ttl_ms = n % 4 === 0 ? null : (n % 90) * 1_000_000;
      tally.add(fact);
    }
    const { user, system } = process.cpuUsage(before);
    spent += user + system;
    rss = Math.max(rss, process.memoryUsage.rss());
  }
  const began = performance.now();
  const checkpoint = JSON.stringify(tally);
  const took = performance.now() - began;
  const row = [
    `${keys / 1e6}M, ${name}`,
    ((spent * 1_000) / keys).toFixed(0),
    tally.tree.nodes,
    (rss / 2 ** 20).toFixed(0),
    (checkpoint.length / 2 ** 20).toFixed(1),
    took.toFixed(0),
  ];
  process.stdout.write(`| ${row.join(' | ')} |\n`);
}
