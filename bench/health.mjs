// `health` over 50 targets of which 10 are dead, against the slowest of them alone.
// node bench/health.mjs [runs]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from './pairs.mjs';
import { freePort, startRedis } from './servers.mjs';

const runs = Number(process.argv[2] ?? 5);
const bin = new URL('../bin/cache-ops.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));

const live = [];
for (let index = 0; index < 40; index += 1) live.push(await startRedis());
// Half of the dead refuse, half accept and never answer: those take the whole time limit.
const silent = await Promise.all(
  Array.from({ length: 5 }, async () => {
    const port = await freePort();
    return {
      port,
      server: createServer((socket) => socket.on('error', () => {})).listen(port, '127.0.0.1'),
    };
  }),
);
const refusing = await Promise.all(Array.from({ length: 5 }, freePort));
const ports = [...live, ...silent].map(({ port }) => port).concat(refusing);
writeFileSync(
  join(folder, 'cache-ops.yaml'),
  `redis:\n${ports.map((port, index) => `  t${index}: redis://127.0.0.1:${port}\n`).join('')}`,
);

/** Wall time in ms and peak memory in MB, by the system's own account, of one `health`. */
function health(names) {
  const account = join(folder, 'account');
  const start = performance.now();
  const { status, stdout } = spawnSync(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(PEAK(account))}`,
      bin,
      'health',
      '--json',
      '--timeout',
      '2s',
      ...names,
    ],
    { cwd: folder, env: { ...process.env, XDG_STATE_HOME: folder, HOME: folder }, maxBuffer: 1e8 },
  );
  const ms = performance.now() - start;
  const { redis } = JSON.parse(stdout);
  return { ms, status, lines: redis, mb: Number(readFileSync(account, 'utf8')) / 1024 };
}

/** Run inside the measured process when it ends: maxRSS is in KB. */
function PEAK(file) {
  return `import { writeFileSync } from 'node:fs'; process.on('exit', () => writeFileSync(${JSON.stringify(file)}, String(process.resourceUsage().maxRSS)))`;
}

const rows = Array.from({ length: runs }, () => {
  const all = health([]);
  const critical = all.lines.filter(({ status }) => status === 'critical').length;
  if (all.status !== 3 || all.lines.length !== 50 || critical !== 10)
    throw new Error(
      `expected 10 of 50 critical and exit 3: ${critical} of ${all.lines.length}, exit ${all.status}`,
    );
  // The slowest alone: one that never answers, after a live one and a refusing one to compare.
  const single = Math.max(...['t0', 't40', 't45'].map((name) => health([name]).ms));
  return { all: all.ms, single, over: all.ms - single, mb: all.mb };
});

const figure = (pick) => {
  const values = rows.map(pick);
  return `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)}-${Math.max(...values).toFixed(0)})`;
};
process.stdout.write(`| 50 targets, 10 dead, ms | slowest alone, ms | over it, ms | bar | peak memory, MB | bar |
|---|---|---|---|---|---|
| ${figure((row) => row.all)} | ${figure((row) => row.single)} | ${figure((row) => row.over)} | 300 | ${figure((row) => row.mb)} | 150 |
`);
for (const { server } of silent) server.close();
await Promise.all(live.map(({ stop }) => stop()));
rmSync(folder, { recursive: true, force: true });
process.exit();
