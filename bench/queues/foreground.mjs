// A client with something else to do: PING, GET and SET in turn, one every millisecond whether the
// one before has been answered or not, so that a stall shows in all that it delays.
// node foreground.mjs PORT; ends with its stdin, and prints its latencies in ms.

import { quantile } from '../lib/figures.mjs';
import { connect } from '../lib/resp.mjs';

const { send } = await connect(Number(process.argv[2]));
const COMMANDS = [['PING'], ['GET', 'foreground'], ['SET', 'foreground', 'x'.repeat(100)]];
const latencies = [];
let turn = 0;
const timer = setInterval(async () => {
  const start = performance.now();
  await send(...COMMANDS[turn++ % COMMANDS.length]);
  latencies.push(performance.now() - start);
}, 1);
process.stdin.resume().once('end', () => {
  clearInterval(timer);
  // Of its start we are not to learn.
  const counted = latencies.slice(200);
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(counted, share));
  process.stdout.write(JSON.stringify({ count: counted.length, p50, p99, max }));
  process.exit();
});
