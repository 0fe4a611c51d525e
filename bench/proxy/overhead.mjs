// What the proxy of the network drills costs without a delay, and how exact its delay is.
import { execFileSync, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { load, quantile, spread, table } from '../lib/figures.mjs';
import { connect } from '../lib/resp.mjs';
import { redisServer, startRedis } from '../servers.mjs';

const ROUNDS = Number(process.argv[2] ?? 5);
const benchmark = join(dirname(redisServer()), 'redis-benchmark');
const serve = new URL('serve.mjs', import.meta.url).pathname;

async function proxy(port, ...delay) {
  const child = spawn(process.execPath, [serve, port, ...delay].map(String), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = await new Promise((resolve) =>
    child.stdout.once('data', (data) => resolve(String(data).split('\n'))),
  );
  return { port: Number(line), stop: () => child.stdin.end() };
}

/** Milliseconds of `count` PINGs, one after the other. */
async function pings(port, count) {
  const { send, close } = await connect(port);
  const times = [];
  for (let at = 0; at < count; at += 1) {
    const start = performance.now();
    await send('PING');
    times.push(performance.now() - start);
  }
  close?.();
  return times;
}

/** Requests a second of SET and GET, 50 connections, 16 commands at once. */
function throughput(port, test) {
  const out = execFileSync(
    benchmark,
    ['-p', port, '-P', '16', '-n', '400000', '-q', '--csv', '-t', test].map(String),
    { encoding: 'utf8' },
  );
  return Number(out.trim().split('\n').at(-1).split(',')[1].replaceAll('"', ''));
}

const redis = await startRedis();
const through = await proxy(redis.port);
const late = await proxy(redis.port, 500);
const rows = [];
const [direct, proxied] = [[], []];
await pings(redis.port, 2_000);
await pings(through.port, 2_000);
for (let round = 0; round < ROUNDS; round += 1) {
  direct.push(quantile(await pings(redis.port, 3_000), 0.5));
  proxied.push(quantile(await pings(through.port, 3_000), 0.5));
}
rows.push([
  'PING, p50, ms',
  spread(direct, 3),
  spread(proxied, 3),
  `+${(quantile(proxied, 0.5) - quantile(direct, 0.5)).toFixed(3)}`,
  '< +0.1',
]);
for (const test of ['set', 'get']) {
  const pairs = Array.from({ length: ROUNDS }, () => [
    throughput(redis.port, test),
    throughput(through.port, test),
  ]);
  rows.push([
    `redis-benchmark -P 16 -t ${test}, requests/s`,
    spread(pairs.map(([plain]) => plain)),
    spread(pairs.map(([, with_]) => with_)),
    `${spread(pairs.map(([plain, with_]) => (100 * with_) / plain))} %`,
    '>= 50 %',
  ]);
}
const delayed = await pings(late.port, 20);
rows.push(['PING with a delay of 500 ms, ms', '', spread(delayed), '', '480-560']);
process.stdout.write(`${load()}\n`);
table(['', 'direct', 'through the proxy', 'difference', 'bar'], rows);
through.stop();
late.stop();
await redis.stop();
