// The drills' own proxy in a process of its own, as it is in a watchdog: node serve.mjs PORT [DELAY] prints
// the port it listens on and ends with its stdin.
import { build } from 'esbuild';
import { freePort } from '../servers.mjs';

const [upstream, delay] = process.argv.slice(2);
const { outputFiles } = await build({
  entryPoints: [new URL('../../src/drills/proxy/tcp.ts', import.meta.url).pathname],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const { TcpProxy } = await import(`data:text/javascript;base64,${code}`);
const port = await freePort();
await TcpProxy.start(
  ['127.0.0.1'],
  port,
  { host: '127.0.0.1', port: Number(upstream) },
  delay === undefined ? {} : { delay: Number(delay) },
);
process.stdout.write(`${port}\n`);
process.stdin.resume().once('end', () => process.exit());
