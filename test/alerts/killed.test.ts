import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, it, onTestFinished } from 'vitest';
import type { SinkConfig } from '../../src/config/sinks.js';
import { until } from '../servers/wait.js';
import { open, sinksOf, temporaryState } from './posting.js';
import { type Receiver, startReceiver } from './receiver.js';

const hook = (url: string) => ({ name: 'hook', type: 'webhook', url, secret: 'key' });
const ids = ({ requests }: Receiver) => requests.map(({ headers }) => headers['idempotency-key']);

/** Starts a process that adds messages, and kills it with -9 as soon as `enough` says so; its ids that were durable. */
async function killed(
  base: string,
  sinks: unknown[],
  prefix: string,
  enough: (lines: string[]) => boolean,
): Promise<string[]> {
  const entry = join(base, 'adding.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'adding.ts')],
    outfile: entry,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  const child = spawn(process.execPath, [entry, base, JSON.stringify(sinks), prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (piece) => {
    text += piece;
  });
  // The last one may be cut off.
  const lines = () => text.split('\n').slice(0, -1);
  await until(() => enough(lines()), { every: 1 });
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('close', resolve));
  return lines();
}

const sorted = (values: unknown[]) => [...new Set(values.map(String))].sort();

it('a sink that is down gets each message once when it is back, after kill -9', async () => {
  const state = temporaryState();
  const base = join(state.folder, '..');
  const gone = await startReceiver();
  await gone.close();
  const sinks = [hook(gone.url)];
  const first = await killed(base, sinks, 'a', (lines) => lines.length >= 10);
  const second = await killed(base, sinks, 'b', (lines) => lines.length >= 10);
  const back = await startReceiver(undefined, gone.port);
  const outbox = await open(state, sinksOf(...sinks) as SinkConfig[]);
  await outbox.settle(20_000);
  const got = ids(back);
  expect(got).toHaveLength(new Set(got).size);
  // One more may have been written when the kill came before its id was told.
  expect(sorted([...got])).toEqual(expect.arrayContaining([...first, ...second]));
  expect(got.length - first.length - second.length).toBeLessThanOrEqual(2);
});

it('killed in the middle of delivering: all arrive, and only the one on its way comes again, with its id', async () => {
  const state = temporaryState();
  const base = join(state.folder, '..');
  const receiver = await startReceiver((response) => void setTimeout(() => response.end(), 5));
  const sinks = [hook(receiver.url)];
  const durable: string[] = [];
  for (const prefix of ['a', 'b', 'c']) {
    const before = receiver.requests.length;
    const told = await killed(
      base,
      sinks,
      prefix,
      (lines) => lines.length >= 10 && receiver.requests.length >= before + 5,
    );
    durable.push(...told);
  }
  const outbox = await open(state, sinksOf(...sinks) as SinkConfig[]);
  expect(await outbox.settle(20_000)).toMatchObject({ waiting: 0 });
  const got = ids(receiver);
  expect(sorted(got)).toEqual(expect.arrayContaining(sorted(durable)));
  expect(got.length - new Set(got).size).toBeLessThanOrEqual(3);
});
