// `alert watch`: what an evaluation takes, what it asks of each Redis, and whether its memory stays flat.
// node bench/alerts/evaluate.mjs [targets] [evaluations]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { connect } from '../lib/resp.mjs';
import { load, spread, table } from '../lib/figures.mjs';
import { startRedis } from '../servers.mjs';

const targets = Number(process.argv[2] ?? 50);
const evaluations = Number(process.argv[3] ?? 10_000);
const MINUTE = 60_000;
const MB = 1024 ** 2;
const root = new URL('../..', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-alerts-'));

// The parts that `alert watch` is made of, as they are bundled for it.
await build({
  stdin: {
    contents: ['evaluate', 'delivery', 'groups', 'rules', 'state', 'silences']
      .map((name) => `export * from './src/alerts/${name}.js';`)
      .concat("export { openState } from './src/state/folder.js'; export { configSchema } from './src/config/schema.js';")
      .join('\n'),
    resolveDir: root,
    loader: 'ts',
  },
  outfile: join(folder, 'alerts.mjs'),
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: ['pg-native', 'page:memory'],
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
  },
});
const alerts = await import(join(folder, 'alerts.mjs'));

const servers = [];
for (let index = 0; index < targets; index += 1) servers.push(await startRedis());
const state = alerts.openState({ XDG_STATE_HOME: folder });

function configOf(some) {
  const redis = Object.fromEntries(some.map(({ port }, index) => [`t${index}`, `redis://127.0.0.1:${port}`]));
  return { ...alerts.configSchema.parse({ redis }), file: undefined };
}

/** An outbox that takes everything: delivery has measurements of its own. */
const nowhere = { add: async () => {}, refresh: () => {} };

/** What a watcher does every minute, by a clock that is moved on rather than waited for. */
function watcher(config) {
  const book = alerts.readRules(config);
  const kept = alerts.emptyState();
  const clock = { now: Date.parse('2026-01-01T00:00:00Z'), ticks: 0 };
  const own = { ...state, path: (...names) => state.path('alerts', 'bench', ...names) };
  const tell = () =>
    alerts.deliver(own, kept, nowhere, alerts.tellingAt(own, config, clock.now, 30_000), () => {});
  return {
    async real() {
      clock.now += MINUTE;
      clock.ticks += MINUTE;
      const moment = { now: clock.now, ticks: clock.ticks, boot: 'bench' };
      const seen = await alerts.evaluate(config, book, kept, { moment, folder: state, timeout: 5_000 });
      await tell();
      return seen;
    },
    /** The same with figures that were measured before. */
    async again(health) {
      clock.now += MINUTE;
      clock.ticks += MINUTE;
      const moment = { now: clock.now, ticks: clock.ticks, boot: 'bench' };
      alerts.step(config, book, kept, health, { moment, folder: state });
      await tell();
    },
  };
}

async function commandsOf({ port }) {
  const { send, close } = await connect(port);
  const stats = await send('INFO', 'commandstats');
  close();
  const counts = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)];
  return counts.reduce((sum, [, , calls]) => sum + Number(calls), 0);
}

const heap = () => {
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
};

// 1. All targets for real.
const all = watcher(configOf(servers));
await all.real();
const before = await Promise.all(servers.map(commandsOf));
const took = [];
const processor = [];
const RUNS = 20;
for (let run = 0; run < RUNS; run += 1) {
  const began = process.cpuUsage();
  const start = performance.now();
  const { lines } = await all.real();
  took.push(performance.now() - start);
  const { user, system } = process.cpuUsage(began);
  processor.push((user + system) / 1_000);
  if (lines.length < targets * 10) throw new Error(`only ${lines.length} rules were judged`);
}
const after = await Promise.all(servers.map(commandsOf));
// The INFO that counts is among them once.
const asked = Math.max(...after.map((count, index) => (count - before[index] - 1) / RUNS));
const share = spread(processor.map((ms) => (ms / MINUTE) * 100), 3);

// 2. One target for real, and all of them with the figures of one look, as often as a week has minutes.
const one = watcher(configOf(servers.slice(0, 1)));
const { health } = await all.real();

async function growthOver(work) {
  // What is made once, and the samples of six hours, are there before.
  const warm = Math.min(2_000, evaluations);
  for (let run = 0; run < warm; run += 1) await work(run);
  const start = heap();
  const resident = process.memoryUsage.rss();
  for (let run = 0; run < evaluations; run += 1) await work(run);
  return {
    heap: ((heap() - start) / MB).toFixed(2),
    resident: ((process.memoryUsage.rss() - resident) / MB).toFixed(1),
  };
}
const single = await growthOver(() => realOf(one));
/** Without the pause between two pings, which only takes time. */
async function realOf(each) {
  return each.real();
}
const replayed = await growthOver(() => all.again(structuredClone(health)));

table(
  ['figure', 'measured', 'bar'],
  [
    [`an evaluation of ${targets} targets, ms`, spread(took), '1,000'],
    ['commands on each Redis an evaluation', asked.toFixed(1), '10'],
    [`of a core at 60 s, %`, share, '1'],
    [`growth over ${evaluations} evaluations of 1 target, MB of heap (resident)`, `${single.heap} (${single.resident})`, '5'],
    [`growth over ${evaluations} evaluations of ${targets} targets, replayed, MB of heap (resident)`, `${replayed.heap} (${replayed.resident})`, '5'],
  ],
);
process.stdout.write(`${load()}\n`);
await Promise.all(servers.map(({ stop }) => stop()));
rmSync(folder, { recursive: true, force: true });
process.exit();
