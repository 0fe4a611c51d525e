// How long a command takes to start, over `node -e 0`.
// node bench/startup.mjs [runs]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare } from './pairs.mjs';
import { startRedis } from './servers.mjs';

const runs = Number(process.argv[2] ?? 40);
const bin = new URL('../bin/cache-ops.js', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
const redis = await startRedis();
const config = join(folder, 'cache-ops.yaml');
writeFileSync(config, `redis:\n  main:\n    url: ${redis.url}\n`);

// NODE_EXTRA_CA_CERTS costs Node 20 about 35 ms at every start: not ours to measure.
const { NODE_EXTRA_CA_CERTS: _, ...rest } = process.env;
const env = { ...rest, XDG_STATE_HOME: folder };
const base = { command: [process.execPath, '-e', '0'], env };

const CASES = [
  ['--version', 1.5, ['--version'], env],
  ['--help', 2, ['--help'], env],
  ['ping, by REDIS_URL', 4, ['ping'], { ...env, REDIS_URL: redis.url }],
  ['memory, by REDIS_URL', 4, ['memory'], { ...env, REDIS_URL: redis.url }],
  ['ping, by cache-ops.yaml', 4, ['ping', '--config', config], env],
  ['memory, by cache-ops.yaml', 4, ['memory', '--config', config], env],
];

process.chdir(folder);
process.stdout.write(
  '| command | ms | node -e 0, ms | ratio | quartiles | bar |\n|---|---|---|---|---|---|\n',
);
for (const [name, bar, args, environment] of CASES) {
  const ours = { command: [process.execPath, bin, ...args], env: environment };
  const { ms, base_ms, ratio, quartiles } = compare(ours, base, runs);
  const row = [
    name,
    ms.toFixed(1),
    base_ms.toFixed(1),
    `${ratio.toFixed(2)}x`,
    quartiles.map((value) => value.toFixed(2)).join('-'),
    `${bar}x`,
  ];
  process.stdout.write(`| ${row.join(' | ')} |\n`);
}
await redis.stop();
rmSync(folder, { recursive: true, force: true });
