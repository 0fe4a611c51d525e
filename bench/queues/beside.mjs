import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const program = new URL('./foreground.mjs', import.meta.url).pathname;

/** Runs `work` while another process uses Redis; resolves to what it returns and that one's latencies. */
export async function beside(port, work) {
  const child = spawn(process.execPath, [program, String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  const ended = new Promise((resolve) => child.once('close', resolve));
  // Its start is not to be measured.
  await sleep(300);
  const result = await work();
  child.stdin.end();
  await ended;
  return { result, foreground: JSON.parse(text) };
}
