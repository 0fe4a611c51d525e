// A TCP proxy to a loopback port whose replies come later: node delay.mjs PORT MS prints its own port and
// ends with its stdin.
import { connect, createServer } from 'node:net';

const [port, ms] = process.argv.slice(2).map(Number);
const server = createServer({ noDelay: true }, (client) => {
  const upstream = connect({ port, host: '127.0.0.1', noDelay: true });
  client.pipe(upstream);
  // In order and each by the same time: a queue that one timer empties.
  const queue = [];
  let timer;
  const flush = () => {
    timer = undefined;
    const now = performance.now();
    while (queue.length > 0 && queue[0].due <= now + 0.1) client.write(queue.shift().chunk);
    if (queue.length > 0) timer = setTimeout(flush, Math.max(queue[0].due - now, 0));
  };
  upstream.on('data', (chunk) => {
    queue.push({ chunk, due: performance.now() + ms });
    if (!timer) timer = setTimeout(flush, ms);
  });
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ])
    one.on('error', () => {}).once('close', () => other.destroy());
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume().once('end', () => process.exit());
