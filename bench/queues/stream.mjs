// Streaming a million BullMQ jobs as JSON: does memory stay flat?
// node bench/queues/stream.mjs [jobs]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, table } from '../lib/figures.mjs';
import { connect } from '../lib/resp.mjs';
import { bin, run } from '../lib/run.mjs';
import { startRedis } from '../servers.mjs';
import { seed, verifySeed } from './seed.mjs';

const jobs = Number(process.argv[2] ?? 1_000_000);
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
const server = await startRedis();
const redis = await connect(server.port);
const config = join(folder, 'cache-ops.yaml');
writeFileSync(
  config,
  `redis:\n  main: ${server.url}\nqueues:\n  - { engine: bullmq, redis: main }\n`,
);
await seed(redis, 'screening', jobs);
await verifySeed(server.url, 'screening', String(jobs), 'failed');

const samples = [];
let lines = 0;
let timer;
const began = performance.now();
const { ms, mb } = await run(
  [bin, 'queue', 'jobs', 'screening', '--json', '--limit', '0', '--config', config],
  {
    env: { XDG_STATE_HOME: folder },
    cwd: folder,
    onData: (chunk) => {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1;
    },
    onStart: ({ pid }) => {
      // Resident memory by the system's account, in KB: proc(5).
      timer = setInterval(() => {
        try {
          const rss = Number(
            /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1],
          );
          if (rss) samples.push({ mb: rss / 1024, lines, at: performance.now() - began });
        } catch {
          // It has just ended.
        }
      }, 50);
    },
  },
);
clearInterval(timer);
if (lines < jobs) throw new Error(`${lines} lines for ${jobs} jobs`);
process.stdout.write(`${jobs} jobs in ${(ms / 1_000).toFixed(1)} s, ${load()}\n`);
const quarters = [0, 1, 2, 3].map((quarter) => {
  const within = samples.filter(
    (sample) => sample.lines >= (quarter * jobs) / 4 && sample.lines <= ((quarter + 1) * jobs) / 4,
  );
  const values = within.map((sample) => sample.mb);
  return [
    `quarter ${quarter + 1}`,
    Math.min(...values).toFixed(0),
    Math.max(...values).toFixed(0),
    '',
  ];
});
table(
  ['resident memory, MB', 'lowest', 'highest', 'bar'],
  [...quarters, ['whole run (getrusage)', '', mb.toFixed(0), '200']],
);
redis.close();
await server.stop();
rmSync(folder, { recursive: true, force: true });
process.exit();
