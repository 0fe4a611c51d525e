// Type, size and time to live of every key: cache-ops's scan, redis-cli --memkeys, ioredis pipelines and the
// server's floor. Whole processes in turn on one Redis.
// node bench/memory/live.mjs [runs] [keys] [command|local|delay|gentle]
// `command`: the whole `memory bigkeys` as dist/ has it (npm run build); the others: the scan alone.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { load, quantile, spread, table } from '../lib/figures.mjs';
import { connect } from '../lib/resp.mjs';
import { bin, run } from '../lib/run.mjs';
import { beside } from '../queues/beside.mjs';
import { redisServer, startRedis } from '../servers.mjs';
import { buildScan } from './run-scan.mjs';
import { seedCorpus } from './seed.mjs';

const runs = Number(process.argv[2] ?? 5);
const keys = Number(process.argv[3] ?? 1_000_000);
const parts = process.argv[4] ? [process.argv[4]] : ['command', 'local', 'delay', 'gentle'];
const here = dirname(new URL(import.meta.url).pathname);
/** Keys of the slice that redis-cli is given over a slow network: all of them take it minutes. */
const SLICE = 20_000;

const server = await startRedis();
const built = await buildScan();
await seedCorpus(server.port, keys);
const before = load();

/** `keys` of what was measured is checked: a scan that misses some is no faster. */
const WAYS = {
  async command(port) {
    const cwd = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
    const env = { REDIS_URL: `redis://127.0.0.1:${port}`, XDG_STATE_HOME: cwd };
    const { ms, mb, stdout } = await run([bin, 'memory', 'bigkeys', '--json'], { cwd, env });
    rmSync(cwd, { recursive: true });
    return { ms, mb, keys: JSON.parse(stdout).totals.keys };
  },
  async scan(port, options = {}) {
    const settings = JSON.stringify({ file: built.file, port, ...options });
    const { mb, stdout } = await run([join(here, 'run-scan.mjs'), settings]);
    const { ms, cpu, totals, end } = JSON.parse(stdout);
    return { ms, mb, cpu, keys: totals.keys, end };
  },
  async floor(port, { window = 16 } = {}) {
    const args = [port, 200, server.port, window].map(String);
    const { stdout } = await run([join(here, 'peers/floor.mjs'), ...args], { memory: false });
    return JSON.parse(stdout);
  },
  async ioredis(port) {
    const { mb, stdout } = await run([join(here, 'peers/ioredis.mjs'), String(port)]);
    return { mb, ...JSON.parse(stdout) };
  },
  async 'redis-cli'(port) {
    const program = join(dirname(redisServer()), 'redis-cli');
    const start = performance.now();
    const child = spawn(program, ['-p', String(port), '--memkeys', '-i', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    await new Promise((resolve) => child.once('close', resolve));
    return { ms: performance.now() - start, keys: Number(/Sampled (\d+) keys/.exec(text)?.[1]) };
  },
};

async function measured(name, port, expected, options) {
  const result = await WAYS[name](port, options);
  if (result.keys !== expected) throw new Error(`${name} found ${result.keys} of ${expected} keys`);
  return result;
}

/** Each way in turn, `runs` times. */
async function inTurn(plan) {
  const results = Object.fromEntries(Object.keys(plan).map((name) => [name, []]));
  for (let index = 0; index < runs; index += 1)
    for (const [name, work] of Object.entries(plan)) results[name].push(await work());
  return results;
}

const seconds = (results) =>
  spread(
    results.map(({ ms }) => ms / 1_000),
    2,
  );
const ratio = (over, under) =>
  spread(
    over.map(({ ms }, index) => ms / under[index].ms),
    3,
  );

/** Of types, sizes, times to live, the tree of prefixes and the largest keys, by whole processes. */
const command = () => sideBySide('command', 'memory bigkeys');
const local = () => sideBySide('scan', 'scan');

async function sideBySide(own, name) {
  const ways = [own, 'floor', 'ioredis', 'redis-cli'];
  const results = await inTurn(
    Object.fromEntries(ways.map((way) => [way, () => measured(way, server.port, keys)])),
  );
  table(
    ['every key, loopback', 's', 'client CPU, s', 'peak memory, MB'],
    Object.entries(results).map(([way, found]) => [
      way,
      seconds(found),
      found[0].cpu
        ? spread(
            found.map(({ cpu }) => cpu / 1_000),
            2,
          )
        : '',
      found[0].mb ? spread(found.map(({ mb }) => mb)) : '',
    ]),
  );
  const { floor, ioredis } = results;
  table(
    ['ratio of the pairs', 'x', 'bar'],
    [
      [`${name} / redis-cli 7.0 --memkeys`, ratio(results[own], results['redis-cli']), '0.25'],
      [`${name} / ioredis pipelines`, ratio(results[own], ioredis), '0.35'],
      [`${name} / the server's floor`, ratio(results[own], floor), '1.15'],
    ],
  );
}

async function proxied(port, ms) {
  const child = spawn(process.execPath, [join(here, 'delay.mjs'), String(port), String(ms)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const own = Number(await new Promise((resolve) => child.stdout.once('data', resolve)));
  const redis = await connect(own);
  const trips = [];
  for (let index = 0; index < 20; index += 1) {
    const start = performance.now();
    await redis.send('PING');
    trips.push(performance.now() - start);
  }
  redis.close();
  return { port: own, trip: quantile(trips, 0.5), stop: () => child.stdin.end() };
}

async function delay() {
  const slice = await startRedis();
  await seedCorpus(slice.port, SLICE);
  const rows = [];
  for (const ms of [1, 20]) {
    const [all, some] = await Promise.all([proxied(server.port, ms), proxied(slice.port, ms)]);
    const results = await inTurn({
      scan: () => measured('scan', all.port, keys),
      floor: () => measured('floor', all.port, keys, { window: 64 }),
      ...(ms === 1 && { 'redis-cli': () => measured('redis-cli', some.port, SLICE) }),
    });
    const { scan, floor } = results;
    const whole = results['redis-cli']?.map((found) => ({ ms: (found.ms * keys) / SLICE }));
    const { cursors } = scan[0].end;
    rows.push([
      `${ms} ms (PING takes ${all.trip.toFixed(1)})`,
      `${seconds(scan)}, ${cursors} cursors`,
      seconds(floor),
      whole ? seconds(whole) : '',
      ratio(scan, floor),
      whole ? ratio(scan, whole) : '',
    ]);
    all.stop();
    some.stop();
  }
  table(
    [
      'added delay',
      'scan, s',
      'floor, s',
      `redis-cli, s (${SLICE} keys, extrapolated)`,
      'scan / floor (bar 1.5 at 20 ms)',
      'scan / redis-cli (bar 0.05 at 1 ms)',
    ],
    rows,
  );
  await slice.stop();
}

async function gentle() {
  const idle = () => beside(server.port, () => sleep(4_000));
  const scan = (options) => () =>
    beside(server.port, () => measured('scan', server.port, keys + 1, options));
  // The foreground's own key.
  const redis = await connect(server.port);
  await redis.send('SET', 'foreground', 'x');
  const results = await inTurn({
    '(nothing)': idle,
    'full speed': scan({}),
    'duty 0.25': scan({ duty: 0.25 }),
    'SAMPLES 0': scan({ size: 'exact' }),
  });
  await redis.send('DEL', 'foreground');
  redis.close();
  const pick = (found, field) =>
    spread(
      found.map(({ foreground }) => foreground[field]),
      2,
    );
  const p50 = (found) => found.map(({ foreground }) => ({ ms: foreground.p50 }));
  table(
    [
      'a client beside the scan',
      'scan, s',
      'p50, ms',
      'p99, ms',
      'max, ms',
      'p50 / idle',
      'slowed',
    ],
    Object.entries(results).map(([name, found]) => [
      name,
      found[0].result ? seconds(found.map(({ result }) => result)) : '',
      pick(found, 'p50'),
      pick(found, 'p99'),
      pick(found, 'max'),
      ratio(p50(found), p50(results['(nothing)'])),
      found[0].result ? spread(found.map(({ result }) => result.end.latency.slowed)) : '',
    ]),
  );
}

for (const part of parts) await { command, local, delay, gentle }[part]();
process.stdout.write(`\n${keys} keys, ${runs} runs, ${before} before, ${load()} after\n`);
built.remove();
await server.stop();
process.exit();
