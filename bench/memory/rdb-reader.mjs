// Reads one RDB file, or a stream of so many gigabytes that is made on the fly, in a process of its own.
// node rdb-reader.mjs READER FILE|GIGABYTES [verify]; prints what it took.
import { open } from 'node:fs/promises';

const [reader, input, mode] = process.argv.slice(2);
const start = performance.now();
let keys = 0;
let bytes = 0;
let characters = 0;

if (mode === 'bytes') {
  // The floor: the file's bytes alone, with the same two buffers.
  const file = await open(input);
  const buffer = Buffer.allocUnsafe(2 * 2 ** 20);
  for (let count = 1; count > 0; bytes += count)
    count = (await file.read(buffer, 0, buffer.length, null)).bytesRead;
  await file.close();
} else {
  const { readRdb } = await import(reader);
  const sink = {
    add({ key }) {
      characters += key.length;
    },
  };
  const from = /^\d+$/.test(input) ? generated(Number(input) * 2 ** 30) : input;
  const end = await readRdb(from, sink, { verify: mode === 'verify' });
  if (end.problem) throw new Error(JSON.stringify(end.problem));
  if (mode === 'verify' && end.checksum !== 'verified') throw new Error(end.checksum);
  ({ keys, bytes } = end);
}
const ms = performance.now() - start;
process.stdout.write(`${JSON.stringify({ ms, keys, bytes, characters })}\n`);

/** Strings of 2,000 bytes, and now and then one of 64 MB. */
async function* generated(size) {
  yield Buffer.from('REDIS0010');
  const value = 'x'.repeat(2_000);
  const long = Buffer.alloc(64 * 2 ** 20, 'x');
  let made = 0;
  for (let at = 0; made < size; at += 1) {
    let block = '';
    for (let n = 0; n < 500; n += 1) {
      const key = `generated:${String(at * 500 + n).padStart(10, '0')}`;
      block += `\0${String.fromCharCode(key.length)}${key}\x47\xd0${value}`;
    }
    yield Buffer.from(block, 'latin1');
    made += block.length;
    if (at % 200 === 199) {
      yield Buffer.concat([
        Buffer.from([0, 3]),
        Buffer.from('big'),
        Buffer.from([0x80, 4, 0, 0, 0]),
      ]);
      yield long;
      made += long.length;
    }
  }
  yield Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
}
