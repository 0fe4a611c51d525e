// `alert watch`: what an evaluation takes, what it asks of each Redis, and whether its memory stays flat.
// node --expose-gc bench/alerts/evaluate.mjs look|busy|one|all [targets] [evaluations]
import { mkdtempSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
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
  const queues = Object.keys(redis).map((name) => ({ engine: 'bullmq', redis: name }));
  return { ...alerts.configSchema.parse({ redis, queues }), file: undefined };
}

/** So many queues on each; every second one is busy, with jobs in all states and 20 at work. */
const QUEUES = 5;

async function fill({ port }, queues, active = 20) {
  const { send, close } = await connect(port);
  const numbers = (count) => Array.from({ length: count }, (_, n) => n);
  for (const queue of numbers(queues)) {
    const base = `bull:queue-${queue}`;
    await send('HSET', `${base}:meta`, 'opts.maxLenEvents', 10_000);
    if (queue % 2 === 1) continue;
    await send('RPUSH', `${base}:wait`, ...numbers(100));
    await send('RPUSH', `${base}:active`, ...numbers(active));
    for (const id of numbers(active)) await send('SET', `${base}:${id}:lock`, 'token');
    for (const id of numbers(100)) await send('HSET', `${base}:${id}`, 'timestamp', Date.now());
    for (const set of ['prioritized', 'delayed', 'completed', 'failed', 'waiting-children'])
      await send('ZADD', `${base}:${set}`, ...numbers(100).flatMap((n) => [n, n]));
  }
  close();
}

/** Commands that this process has sent to a Redis: each begins with the number of its words. */
let sent = 0;
const write = Socket.prototype.write;
Socket.prototype.write = function count(data, ...rest) {
  if (typeof data === 'string') sent += data.match(/\*\d+\r\n\$/g)?.length ?? 0;
  return write.call(this, data, ...rest);
};

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
    async real({ pings, minutes = 1 } = {}) {
      clock.now += minutes * MINUTE;
      clock.ticks += minutes * MINUTE;
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

/** Commands that a server has run, those that scripts call among them, and the microseconds these took. */
async function workOf({ port }) {
  const { send, close } = await connect(port);
  const stats = await send('INFO', 'commandstats');
  const [, processed] = /total_commands_processed:(\d+)/.exec(await send('INFO', 'stats'));
  close();
  const usec = [...stats.matchAll(/^cmdstat_([^:]+):calls=\d+,usec=(\d+)/gm)].reduce(
    // What a script calls is in its own time too.
    (sum, [, name, spent]) => sum + (ASKED.test(name) ? Number(spent) : 0),
    0,
  );
  return { processed: Number(processed), usec };
}

/** What is asked by us rather than by a script of ours. */
const ASKED = /^(ping|info|slowlog|client|eval|auth|select)/;

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

/** All targets for real, as the daemon looks at them, with so many queues on each. */
async function look() {
  return [...(await lookAt(0)), ...(await lookAt(QUEUES))];
}

async function lookAt(queues) {
  if (queues > 0) await Promise.all(servers.map((server) => fill(server, queues)));
  const all = watcher(configOf(servers));
  // The first one searches for queues, and tells the server the script.
  await all.real();
  const before = await Promise.all(servers.map(workOf));
  const took = [];
  const processor = [];
  const commands = [];
  const runs = 20;
  for (let run = 0; run < runs; run += 1) {
    const began = process.cpuUsage();
    const start = performance.now();
    sent = 0;
    // Another search would be due after ten minutes of the clock.
    const { lines } = await all.real({ minutes: 0.1 });
    took.push(performance.now() - start);
    commands.push(sent / targets);
    const { user, system } = process.cpuUsage(began);
    processor.push((user + system) / 1_000);
    if (lines.length < targets * (10 + queues * 5))
      throw new Error(`only ${lines.length} rules were judged`);
  }
  const after = await Promise.all(servers.map(workOf));
  const each = (field, own) =>
    spread(
      after.map((work, index) => (work[field] - before[index][field] - own) / runs),
      1,
    );
  const on = `${targets} Redis of ${queues} queues`;
  return [
    [`an evaluation of ${on}, ms`, spread(took), '1,000'],
    [`commands sent to each of ${on}`, spread(commands, 1), 'under 10'],
    // The two INFO that count are among them.
    [`commands that each of these has run, those within the script too`, each('processed', 2), ''],
    [`microseconds that each has spent on them`, each('usec', 0), ''],
    [
      `of a core at one evaluation of ${on} in 60 s, %`,
      spread(
        processor.map((ms) => (ms / MINUTE) * 100),
        3,
      ),
      '1',
    ],
  ];
}

/** The longest that one call of the script keeps others from the server, by its own slow log. */
async function busy() {
  const [server] = servers;
  await fill(server, 200, 1_000);
  const { send, close } = await connect(server.port);
  await send('CONFIG', 'SET', 'slowlog-log-slower-than', '0', 'slowlog-max-len', '10000');
  const single = watcher(configOf([server]));
  await single.real();
  const took = [];
  const commands = [];
  for (let run = 0; run < 20; run += 1) {
    await send('SLOWLOG', 'RESET');
    sent = 0;
    await single.real({ minutes: 0.1 });
    commands.push(sent);
    for (const [, , usec, [name]] of await send('SLOWLOG', 'GET', '10000'))
      if (name === 'EVALSHA_RO') took.push(usec);
  }
  close();
  const what = '200 queues, 100 of them with 1,000 active jobs';
  return [
    [`commands sent for ${what}`, spread(commands), ''],
    [`one call of the script on ${what}, microseconds`, spread(took), ''],
  ];
}

/** One target for real, without the pauses between its pings, which only take time. */
async function one() {
  await fill(servers[0], QUEUES);
  const single = watcher(configOf(servers.slice(0, 1)));
  const [grown, each] = await growth(() => single.real({ pings: { count: 2, over: 0 } }));
  return [
    [
      `growth over ${evaluations} evaluations of 1 target with ${QUEUES} queues, MB of heap, ${each}`,
      grown,
      '5',
    ],
  ];
}

/** All targets, with the figures of one look. */
async function replayed() {
  const all = watcher(configOf(servers));
  const { health } = await all.real();
  const [grown, each] = await growth(() => all.again(structuredClone(health)));
  return [
    [
      `growth over ${evaluations} evaluations of ${targets} targets without queues, replayed, MB of heap, ${each}`,
      grown,
      '5',
    ],
  ];
}

table(['figure', 'measured', 'bar'], await { look, busy, one, all: replayed }[part]());
process.stdout.write(`${load()}\n`);
await Promise.all(servers.map(({ stop }) => stop()));
rmSync(folder, { recursive: true, force: true });
process.exit();
