// Tasks to Redis: cache-ops migrate plan, apply and verify beside redis-cli --pipe with plain SET key value EX of the
// same entries, to the same server, in turn. node bench/migrate/tasks.mjs [runs] [entries]
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { load, quantile, spread, table } from '../lib/figures.mjs';
import { connect } from '../lib/resp.mjs';
import { bin, run } from '../lib/run.mjs';
import { redisServer, startRedis } from '../servers.mjs';

const runs = Number(process.argv[2] ?? 3);
const entries = Number(process.argv[3] ?? 500_000);
const SIZE = 400;
const TEXT =
  'trial cohort dose outcome placebo random blind effect review screen paper patient event '.repeat(
    8,
  );

const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
const [source, commands] = [join(folder, 'tasks.ndjson'), join(folder, 'commands.resp')];
write();
const server = await startRedis();
const redis = await connect(server.port);
const env = { XDG_STATE_HOME: join(folder, 'state'), HOME: folder };
writeFileSync(
  join(folder, 'cache-ops.yaml'),
  JSON.stringify({
    redis: { main: { url: `redis://127.0.0.1:${server.port}` } },
    keys: { prefix: 'app', environment: 'bench' },
  }),
);
const migrate = (...argv) => run([bin, 'migrate', ...argv], { env, cwd: folder });
const figures = { pipe: [], plan: [], apply: [], verify: [], again: [] };
const peaks = { plan: [], apply: [], verify: [], again: [] };
try {
  for (let turn = 0; turn < runs; turn += 1) {
    await redis.send('FLUSHALL');
    figures.pipe.push(pipe());
    await redis.send('FLUSHALL');
    const { stdout } = await measure(
      'plan',
      'plan',
      '--from',
      source,
      '--to',
      'redis:main',
      '--json',
    );
    const { id } = JSON.parse(stdout.trim().split('\n').at(-1));
    await measure('apply', 'apply', id, '--yes');
    if ((await redis.send('DBSIZE')) !== entries) throw new Error('not all entries were written');
    await measure('verify', 'verify', id);
    await measure('again', 'apply', id, '--yes');
    rmSync(join(folder, 'state'), { recursive: true, force: true });
  }
} finally {
  redis.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

const middle = (name) => quantile(figures[name], 0.5);
const pairs = (...names) =>
  figures.pipe.map((ms, turn) => ms / names.reduce((sum, name) => sum + figures[name][turn], 0));
process.stdout.write(`${entries} entries of ${SIZE} bytes, ${runs} runs, ${load()}\n`);
table(
  ['whole process', 'ms: median (min-max)', 'entries a second', 'peak MB'],
  Object.keys(figures).map((name) => [
    name === 'pipe' ? 'redis-cli --pipe' : name === 'again' ? 'apply, a second time' : name,
    spread(figures[name]),
    Math.round((entries / middle(name)) * 1_000).toLocaleString('en-US'),
    peaks[name] ? Math.max(...peaks[name]).toFixed(0) : '',
  ]),
);
table(
  ['bar', 'wanted', 'median (min-max)'],
  [
    ['rate of apply / rate of --pipe', '>= 0.9', spread(pairs('apply'), 2)],
    ['rate of plan + apply / rate of --pipe', '>= 0.4', spread(pairs('plan', 'apply'), 2)],
    [
      'time of apply + verify / time of --pipe',
      '< 3',
      spread(
        pairs('apply', 'verify').map((ratio) => 1 / ratio),
        2,
      ),
    ],
    ['peak memory, MB', '< 200', Math.max(...Object.values(peaks).flat()).toFixed(0)],
  ],
);

async function measure(name, ...argv) {
  const measured = await migrate(...argv);
  figures[name].push(measured.ms);
  peaks[name].push(measured.mb);
  return measured;
}

function pipe() {
  const input = openSync(commands, 'r');
  const start = performance.now();
  const cli = join(dirname(redisServer()), 'redis-cli');
  const { status, stdout } = spawnSync(cli, ['-p', String(server.port), '--pipe'], {
    stdio: [input, 'pipe', 'inherit'],
  });
  const ms = performance.now() - start;
  closeSync(input);
  if (status !== 0 || !String(stdout).includes(`replies: ${entries}`))
    throw new Error(String(stdout));
  return ms;
}

/** The entries as lines, and as the commands that redis-cli sends. */
function write() {
  const [lines, resp] = [openSync(source, 'w'), openSync(commands, 'w')];
  let [text, bytes] = ['', ''];
  for (let number = 0; number < entries; number += 1) {
    const head = {
      user: `user-${number % 5_000}`,
      task: `task-${String(number).padStart(8, '0')}`,
      status: ['pending', 'processing', 'completed'][number % 3],
      progress: number % 101,
      updatedAt: new Date(1_717_000_000_000 + number * 1_000).toISOString(),
    };
    const detail = TEXT.slice(0, SIZE - JSON.stringify({ ...head, detail: '' }).length);
    const value = JSON.stringify({ ...head, detail });
    const key = `app:bench:task:import:${head.user}:${head.task}`;
    text += `${value}\n`;
    bytes += `*5\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n${value}\r\n$2\r\nEX\r\n$5\r\n86400\r\n`;
    if (text.length < 1_000_000 && number < entries - 1) continue;
    writeSync(lines, text);
    writeSync(resp, bytes);
    [text, bytes] = ['', ''];
  }
  closeSync(lines);
  closeSync(resp);
}
