// A bare SCAN of all keys of a Redis, and nothing else; or of those that match.
// node scan.mjs PORT COUNT [PATTERN]
import { connect } from '../../lib/resp.mjs';

const [port, count, pattern] = process.argv.slice(2);
const { send, close } = await connect(Number(port));
const match = pattern ? ['MATCH', pattern] : [];
let cursor = '0';
let keys = 0;
do {
  const [next, page] = await send('SCAN', cursor, ...match, 'COUNT', count);
  keys += page.length;
  cursor = next;
} while (cursor !== '0');
process.stdout.write(String(keys));
close();
