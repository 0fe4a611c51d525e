// Peak memory of `memory bigkeys` on a server with many keys and as many as a million distinct prefixes.
// node bench/memory/prefixes.mjs [keys] [prefixes]; needs dist/ (npm run build).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, table } from '../lib/figures.mjs';
import { connect } from '../lib/resp.mjs';
import { bin, run } from '../lib/run.mjs';
import { startRedis } from '../servers.mjs';

const keys = Number(process.argv[2] ?? 10_000_000);
const prefixes = Number(process.argv[3] ?? 1_000_000);
/** Names that do not look like ids, and a few levels below each. */
const FILL = `
local letters = 'qrstuvwxyzabcdefghijklmnop'
for n = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  local number, name = n % tonumber(ARGV[3]), ''
  repeat
    local at = number % 26 + 1
    name = string.sub(letters, at, at) .. name
    number = math.floor(number / 26)
  until number == 0
  redis.call('SET', name .. ':profile:' .. n, 'x')
end`;

const server = await startRedis();
const redis = await connect(server.port);
for (let from = 0; from < keys; from += 50_000)
  await redis.send('EVAL', FILL, 0, from, Math.min(from + 50_000, keys), prefixes);
redis.close();
const cwd = mkdtempSync(join(tmpdir(), 'cache-ops-bench-'));
const env = { REDIS_URL: server.url, XDG_STATE_HOME: cwd };
const { ms, mb, stdout } = await run([bin, 'memory', 'bigkeys', '--json'], { cwd, env });
const { totals, tree } = JSON.parse(stdout);
if (totals.keys !== keys) throw new Error(`${totals.keys} of ${keys} keys`);
table(
  [
    'keys',
    'distinct prefixes',
    's',
    'keys/s',
    'groups in the report',
    'peak memory, MB',
    'bar, MB',
  ],
  [
    [
      keys,
      prefixes,
      (ms / 1_000).toFixed(1),
      Math.round((keys * 1_000) / ms),
      tree.children.length,
      mb.toFixed(0),
      200,
    ],
  ],
);
process.stdout.write(`\n${load()}\n`);
rmSync(cwd, { recursive: true });
await server.stop();
process.exit();
