import { describe, expect, it } from 'vitest';
import { readRdb } from '../../src/redis/rdb/read.js';
import { bytes, key, length, string } from './rdb-bytes.js';

const MB = 2 ** 20;
const GB = 2 ** 30;
const chunk = Buffer.alloc(4 * MB, 'x');

/** So many bytes, never more than 4 MB of them in memory. */
function* filler(size: number): Generator<Buffer> {
  for (let left = size; left > 0; left -= chunk.length) yield chunk.subarray(0, left);
}

/** A table of fields and values, `count` of them. */
function* fields(count: number): Generator<Buffer> {
  const pairs = bytes(string('a field'), bytes(0xc1, 1, 2))
    .toString('latin1')
    .repeat(10_000);
  for (let left = count; left > 0; left -= 10_000) yield Buffer.from(pairs, 'latin1');
}

async function* large() {
  yield bytes('REDIS0010', key(0, 'string', length(2 * GB)));
  yield* filler(2 * GB);
  yield key(4, 'hash', length(4_000_000));
  yield* fields(4_000_000);
  yield key(18, 'list', length(2), 1, length(GB));
  yield* filler(GB);
  yield bytes(1, length(GB));
  yield* filler(GB);
  yield bytes(0xff, Buffer.alloc(8));
}

describe('an RDB of several gigabytes', () => {
  it('goes by in the memory of a small one, whatever its largest value', async () => {
    const before = process.memoryUsage.rss();
    let peak = 0;
    const sizes = new Map<string, number>();
    const end = await readRdb(
      large(),
      { add: ({ key: name, bytes: size }) => sizes.set(name, size) },
      { progress: () => (peak = Math.max(peak, process.memoryUsage.rss())) },
    );
    expect(end).toMatchObject({ keys: 3, problem: undefined });
    expect(end.bytes).toBeGreaterThan(4 * GB);
    expect((peak - before) / MB).toBeLessThan(60);
    expect(sizes.get('string')).toBeGreaterThan(2 * GB);
    expect(sizes.get('list')).toBeGreaterThan(2 * GB);
    expect(sizes.get('hash')).toBeGreaterThan(4_000_000 * (24 + 16 + 8));
  });
});
