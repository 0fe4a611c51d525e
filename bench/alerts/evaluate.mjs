// `alert watch`: what an evaluation takes, what it asks of each Redis, and whether its memory stays flat.
// node --expose-gc bench/alerts/evaluate.mjs look|one|all [targets] [evaluations]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { load, spread, table } from '../lib/figures.mjs';
import { connect } from '../lib/resp.mjs';
import { startRedis } from '../servers.mjs';

const [part, targets = 50, evaluations = 10_000] = [
  process.argv[2],
  ...process.argv.slice(3).map(Number),
];
const MINUTE = 60_000;
const MB = 1024 ** 2;
const root = new URL('../..', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-alerts-'));

// The parts that `alert watch` is made of, as they are bundled for it.
await build({
  stdin: {
    contents: ['evaluate', 'delivery', 'groups', 'rules', 'state', 'silences']
      .map((name) => `export * from './src/alerts/${name}.js';`)
      .concat(
        "export { openState } from './src/state/folder.js'; export { configSchema } from './src/config/schema.js';",
      )
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
  const redis = Object.fromEntries(
    some.map(({ port }, index) => [`t${index}`, `redis://127.0.0.1:${port}`]),
  );
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
    async real(pings) {
      clock.now += MINUTE;
      clock.ticks += MINUTE;
      const moment = { now: clock.now, ticks: clock.ticks, boot: 'bench' };
      const how = { moment, folder: state, timeout: 5_000, ...(pings && { pings }) };
      const seen = await alerts.evaluate(config, book, kept, how);
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

/** Growth of memory in MB over so many evaluations, beyond what is made once and the samples of some hours. */
async function growth(work) {
  for (let run = 0; run < Math.min(1_000, evaluations); run += 1) await work();
  const start = heap();
  const resident = process.memoryUsage.rss();
  const began = performance.now();
  for (let run = 0; run < evaluations; run += 1) await work();
  const each = (performance.now() - began) / evaluations;
  const grown = (heap() - start) / MB;
  const more = (process.memoryUsage.rss() - resident) / MB;
  return [`${grown.toFixed(2)} (resident ${more.toFixed(1)})`, `${each.toFixed(1)} ms each`];
}

/** All targets for real, as the daemon looks at them. */
async function look() {
  const all = watcher(configOf(servers));
  await all.real();
  const before = await Promise.all(servers.map(commandsOf));
  const took = [];
  const processor = [];
  const runs = 20;
  for (let run = 0; run < runs; run += 1) {
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
  const asked = Math.max(...after.map((count, index) => (count - before[index] - 1) / runs));
  return [
    [`an evaluation of ${targets} targets, ms`, spread(took), '1,000'],
    ['commands on each Redis an evaluation', asked.toFixed(1), 'under 10'],
    [
      'of a core at one in 60 s, %',
      spread(
        processor.map((ms) => (ms / MINUTE) * 100),
        3,
      ),
      '1',
    ],
  ];
}

/** One target for real, without the pauses between its pings, which only take time. */
async function one() {
  const single = watcher(configOf(servers.slice(0, 1)));
  const [grown, each] = await growth(() => single.real({ count: 3, over: 0 }));
  return [[`growth over ${evaluations} evaluations of 1 target, MB of heap, ${each}`, grown, '5']];
}

/** All targets, with the figures of one look. */
async function replayed() {
  const all = watcher(configOf(servers));
  const { health } = await all.real();
  const [grown, each] = await growth(() => all.again(structuredClone(health)));
  return [
    [
      `growth over ${evaluations} evaluations of ${targets} targets, replayed, MB of heap, ${each}`,
      grown,
      '5',
    ],
  ];
}

table(['figure', 'measured', 'bar'], await { look, one, all: replayed }[part]());
process.stdout.write(`${load()}\n`);
await Promise.all(servers.map(({ stop }) => stop()));
rmSync(folder, { recursive: true, force: true });
process.exit();
