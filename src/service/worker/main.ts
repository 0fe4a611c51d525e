import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBullmq } from './bullmq.js';
import { startPgboss } from './pgboss.js';

/**
 * The application's worker as a process: REDIS_URL and DATABASE_URL say where its queues are.
 * READY_FILE is written when all jobs that end by themselves have ended once.
 */
async function main(): Promise<void> {
  const { pid, env, stdout, stderr } = process;
  // Whoever started us may have gone, and taken the pipes along.
  stdout.on('error', () => {});
  stderr.on('error', () => {});
  const { REDIS_URL, DATABASE_URL, PID_FILE, READY_FILE } = env;
  if (!REDIS_URL || !DATABASE_URL) throw new Error('REDIS_URL and DATABASE_URL must be set');
  if (PID_FILE) writeFileSync(PID_FILE, `${pid}\n`);
  // Jobs in hand are left to be found stalled or expired, since some of them never end; and Redis
  // may be gone already, so that nothing can be said to it.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));
  // A server that is away says so at every attempt.
  let last = '';
  const onError = (error: unknown) => {
    const text = JSON.stringify({ event: 'error', error: String(error) });
    if (text !== last) stderr.write(`${text}\n`);
    last = text;
  };
  const consumers = await Promise.all([
    startBullmq(REDIS_URL, onError),
    startPgboss(DATABASE_URL, onError),
  ]);
  while (!(await Promise.all(consumers.map((consumer) => consumer.settled()))).every(Boolean)) {
    await sleep(20);
  }
  if (READY_FILE) writeFileSync(READY_FILE, '');
  stdout.write(`${JSON.stringify({ event: 'ready', pid })}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`worker: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
