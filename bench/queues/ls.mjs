// Finding 200 BullMQ queues among the keys of a million jobs, and finding one job in them.
// node bench/queues/ls.mjs [runs] [jobs]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, spread, table } from '../lib/figures.mjs';
import { connect } from '../lib/resp.mjs';
import { bin, run } from '../lib/run.mjs';
import { startRedis } from '../servers.mjs';
import { seed, verifySeed } from './seed.mjs';

const runs = Number(process.argv[2] ?? 7);
const jobs = Number(process.argv[3] ?? 1_000_000);
const QUEUES = 200;
/** As large as cache-ops takes its own: larger steps are quicker and hold other clients up longer. */
const STEP = '1000';
/** All keys come over, or, as the strictest measure, only those that cache-ops lets come. */
const SCANS = { SCAN: [STEP], 'SCAN MATCH *:meta': [STEP, '*:meta'] };
const peer = new URL('./peers/scan.mjs', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
const server = await startRedis();
const redis = await connect(server.port);
const config = join(folder, 'cache-ops.yaml');
writeFileSync(
  config,
  `redis:\n  main: ${server.url}\nqueues:\n  - { engine: bullmq, redis: main }\n`,
);
const each = jobs / QUEUES;
for (let index = 0; index < QUEUES; index += 1) {
  const part = Math.floor(each / 5);
  await seed(redis, `queue-${index}`, part * 3, { state: 'completed', from: index * each + 1 });
  await seed(redis, `queue-${index}`, part, { from: index * each + part * 3 + 1 });
  await seed(redis, `queue-${index}`, part, {
    state: 'waiting',
    from: index * each + part * 4 + 1,
  });
}
await verifySeed(server.url, 'queue-7', String(7 * each + 1), 'completed');
const keys = await redis.send('DBSIZE');

const options = { env: { XDG_STATE_HOME: folder }, cwd: folder, memory: false };
const queue = (...args) => run([bin, 'queue', ...args, '--config', config], options);
async function ls(...args) {
  const { ms, stdout } = await queue('ls', '--json', ...args);
  const { queues } = JSON.parse(stdout);
  const total = queues.reduce(
    (sum, { waiting, completed, failed }) => sum + waiting + completed + failed,
    0,
  );
  if (queues.length !== QUEUES || total !== jobs) {
    throw new Error(`queue ls found ${queues.length} queues with ${total} jobs`);
  }
  return ms;
}

const rows = [];
const before = load();
for (let index = 0; index < runs; index += 1) {
  const scans = {};
  for (const [name, args] of Object.entries(SCANS)) {
    const { ms, stdout } = await run([peer, String(server.port), ...args], options);
    if (Number(stdout) < (args[1] ? QUEUES : keys)) throw new Error(`${name} saw ${stdout} keys`);
    scans[name] = ms;
  }
  const first = await ls('--discover');
  const again = await ls();
  const id = String(1 + Math.floor(Math.random() * jobs));
  const { ms: show, stdout } = await queue('show', id, '--json');
  if (!stdout.includes(id)) throw new Error(`queue show ${id}: ${stdout}`);
  const { ms: help } = await run([bin, '--help'], options);
  rows.push({ scans, first, again, show, help });
}
const figure = (pick, digits) => spread(rows.map(pick), digits);
process.stdout.write(
  `${QUEUES} queues, ${jobs} jobs, ${keys} keys, ${runs} runs, ${before} before, ${load()} after\n`,
);
table(
  ['what', 'measured', 'bar'],
  [
    ...Object.keys(SCANS).map((name) => [
      `bare ${name}, COUNT ${STEP}, ms`,
      figure(({ scans }) => scans[name]),
      '',
    ]),
    ['queue ls --discover, ms', figure(({ first }) => first), ''],
    ...Object.keys(SCANS).map((name, at) => [
      `queue ls --discover / bare ${name}`,
      figure(({ first, scans }) => first / scans[name], 2),
      at === 0 ? 'at most 1.5' : '-',
    ]),
    ['queue ls once they are known, ms', figure(({ again }) => again), '500'],
    ['queue show <id>, ms', figure(({ show }) => show), ''],
    ['queue show <id> over --help, ms', figure(({ show, help }) => show - help), '300'],
  ],
);
redis.close();
await server.stop();
rmSync(folder, { recursive: true, force: true });
process.exit();
