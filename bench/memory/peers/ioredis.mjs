// What one writes with ioredis: SCAN COUNT 1000, a pipeline of TYPE, MEMORY USAGE and PTTL for those keys.
// node ioredis.mjs PORT prints what it found.
import { Redis } from 'ioredis';

const redis = new Redis({ port: Number(process.argv[2]), host: '127.0.0.1' });
await redis.ping();
const start = performance.now();
const totals = { keys: 0, bytes: 0, noTtl: 0 };
let cursor = '0';
do {
  const [next, keys] = await redis.scan(cursor, 'COUNT', 1_000);
  const pipeline = redis.pipeline();
  for (const key of keys) pipeline.type(key).memory('USAGE', key, 'SAMPLES', 2_000).pttl(key);
  const replies = await pipeline.exec();
  for (let index = 0; index < keys.length; index += 1) {
    const bytes = replies[index * 3 + 1][1];
    if (bytes === null) continue;
    totals.keys += 1;
    totals.bytes += bytes;
    if (replies[index * 3 + 2][1] === -1) totals.noTtl += 1;
  }
  cursor = next;
} while (cursor !== '0');
process.stdout.write(JSON.stringify({ ms: performance.now() - start, ...totals }));
redis.disconnect();
