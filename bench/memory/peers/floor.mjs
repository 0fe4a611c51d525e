// The server's own floor: the same SCAN, TYPE, MEMORY USAGE and PTTL for every key, written as they were
// prepared before the clock starts, replies only counted.
// node floor.mjs PORT [count] prints the milliseconds; PORT may be a proxy's, then [direct] is the server's.
import { once } from 'node:events';
import { connect as open } from 'node:net';
import { connect } from '../../lib/resp.mjs';

const [port, count = 200, direct = port, window = 16] = process.argv.slice(2).map(Number);
const MARK = Buffer.from('\x01\x02mark\x03');
const bulk = (text) => `$${text.length}\r\n${text}\r\n`;

const redis = await connect(direct);
const batches = [];
let keys = 0;
for (let cursor = '0'; batches.length === 0 || cursor !== '0'; ) {
  const [next, names] = await redis.send('SCAN', cursor, 'COUNT', count);
  let text = `*4\r\n$4\r\nSCAN\r\n${bulk(cursor)}$5\r\nCOUNT\r\n${bulk(String(count))}`;
  for (const name of names)
    text += `*2\r\n$4\r\nTYPE\r\n${bulk(name)}*5\r\n$6\r\nMEMORY\r\n$5\r\nUSAGE\r\n${bulk(name)}$7\r\nSAMPLES\r\n$4\r\n2000\r\n*2\r\n$4\r\nPTTL\r\n${bulk(name)}`;
  batches.push(
    Buffer.from(`${text}*2\r\n$4\r\nECHO\r\n${bulk(MARK.toString('latin1'))}`, 'latin1'),
  );
  keys += names.length;
  cursor = next;
}
redis.close();

const socket = open({ port, host: '127.0.0.1', noDelay: true });
await once(socket, 'connect');
const start = performance.now();
let sent = 0;
let answered = 0;
let tail = Buffer.alloc(0);
await new Promise((resolve) => {
  socket.on('data', (chunk) => {
    const bytes = Buffer.concat([tail, chunk]);
    let at = 0;
    for (let found = bytes.indexOf(MARK); found >= 0; found = bytes.indexOf(MARK, at)) {
      at = found + MARK.length;
      answered += 1;
      if (sent < batches.length) socket.write(batches[sent++]);
    }
    tail = bytes.subarray(Math.max(at, bytes.length - MARK.length + 1));
    if (answered === batches.length) resolve();
  });
  while (sent < Math.min(window, batches.length)) socket.write(batches[sent++]);
});
process.stdout.write(JSON.stringify({ ms: performance.now() - start, keys }));
socket.destroy();
