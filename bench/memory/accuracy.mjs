// How far `memory bigkeys` is from `memory bigkeys --exact` (SAMPLES 0) on the corpus of seed.mjs.
// node bench/memory/accuracy.mjs [keys]; needs dist/ (npm run build). Exits with 1 when it misses a bar.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, table } from '../lib/figures.mjs';
import { bin, run } from '../lib/run.mjs';
import { startRedis } from '../servers.mjs';
import { seedCorpus } from './seed.mjs';

const keys = Number(process.argv[2] ?? 1_000_000);
const server = await startRedis();
await seedCorpus(server.port, keys);
const cwd = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
const env = { REDIS_URL: server.url, XDG_STATE_HOME: cwd };

async function report(...flags) {
  const { ms, stdout } = await run([bin, 'memory', 'bigkeys', '--json', ...flags], { cwd, env });
  return { ms, ...JSON.parse(stdout) };
}

/** Every group of the tree, by its pattern. */
function groupsOf({ tree }) {
  const groups = new Map();
  const visit = (group, depth) => {
    groups.set(`${depth} ${group.pattern}`, group);
    for (const child of group.children) visit(child, depth + 1);
  };
  visit(tree, 0);
  return groups;
}

const usual = await report();
const exact = await report('--exact');
const [some, all] = [groupsOf(usual), groupsOf(exact)];
const off = (group, truth) => Math.abs((group?.bytes ?? 0) / truth.bytes - 1);
const groups = [...all].map(([name, truth]) => ({
  name,
  keys: truth.keys,
  same: some.get(name)?.keys === truth.keys,
  error: off(some.get(name), truth),
}));
const worst = groups.toSorted((a, b) => b.error - a.error);
const errorOfKey = new Map(usual.top.map(({ key, bytes }) => [key, bytes]));
const inBoth = exact.top.filter(({ key }) => errorOfKey.has(key));
const worstKey = Math.max(
  ...inBoth.map(({ key, bytes }) => Math.abs(errorOfKey.get(key) / bytes - 1)),
);
const sameOrder = exact.top.filter(({ key }, at) => usual.top[at]?.key === key).length;
const far = worst.filter(({ error }) => error > 0.001);
const percent = (share) => `${(share * 100).toFixed(3)} %`;
table(
  ['memory bigkeys against --exact', 'measured', 'bar'],
  [
    ['keys', `${usual.totals.keys} and ${exact.totals.keys} of ${keys}`, 'all'],
    ['time, s', `${(usual.ms / 1_000).toFixed(2)} and ${(exact.ms / 1_000).toFixed(2)}`, ''],
    ['bytes of all keys', percent(off(usual.totals, exact.totals)), '0.5 %'],
    [
      `groups with the same keys, of ${groups.length}`,
      groups.filter(({ same }) => same).length,
      'all',
    ],
    ['bytes of a group, the worst', `${percent(worst[0].error)} (${worst[0].name})`, '0.5 %'],
    [`in both lists of the largest ${exact.top.length}`, inBoth.length, 'all'],
    ['at the same place of them', sameOrder, ''],
    ['bytes of one of them, the worst', percent(worstKey), ''],
  ],
);
for (const { name, error } of far) process.stdout.write(`${name}: ${percent(error)}\n`);
process.stdout.write(`\n${load()}\n`);
rmSync(cwd, { recursive: true });
await server.stop();
const isRight =
  usual.totals.keys === keys &&
  exact.totals.keys === keys &&
  worst[0].error <= 0.005 &&
  inBoth.length === exact.top.length;
process.exit(isRight ? 0 : 1);
