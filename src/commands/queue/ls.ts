import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseDuration } from '../../config/units.js';
import type { Context } from '../../context.js';
import { ExitCode } from '../../errors.js';
import { emit } from '../../output/emit.js';
import type { Engine } from '../../queues/engine.js';
import { calledSo } from '../../queues/names.js';
import type { QueueRef } from '../../queues/queue.js';
import { finishedSince, newestOf } from '../../queues/throughput.js';
import { type Estate, problemOf, type Source, unknownQueue, withEstate } from './estate.js';
import { renderLs } from './render-ls.js';
import { queueRef, sourceResult, toSource } from './result.js';

interface Flags {
  discover?: boolean;
  sample?: string;
}

export function registerLs(topic: Command, context: Context): void {
  topic
    .command('ls')
    .description('every queue: jobs by state, the oldest waiting one, pause, workers')
    .argument('[queue]', 'only this one; * stands for any text')
    .option('--discover', 'search all keys and tables, whatever is remembered')
    .option('--sample <duration>', 'count the jobs that finish in this time as well: 1s')
    .addHelpText(
      'after',
      `
Reads only. What a search finds is remembered in the state folder, and its age said; a remembered
queue that is gone is said once and forgotten. A source that cannot be read has a line that says why.
Throughput is counted from the finished jobs that are kept: "-" where too few are kept to tell.
Exit 0 also when one source cannot be read; 2 for a queue that is not there; 5 when none can be read.

Examples:
  $ cache-ops queue ls
  $ cache-ops queue ls 'mail*' --sample 5s
  $ cache-ops queue ls --discover --json | jq '.queues[] | select(.failed > 0)'`,
    )
    .action(async (name: string | undefined, { discover, sample }: Flags) => {
      const window = sample === undefined ? 0 : parseDuration(sample, '--sample');
      const result = await ls(context, { name, discover, window });
      await emit(context, result, (all) => renderLs(all, context.now()));
      if (result.sources.every(({ problem }) => problem !== null))
        context.exitCode = ExitCode.connect;
    });
}

/** Null: it could not be read. */
const queueLine = z.extend(queueRef, {
  waiting: z.nullable(z.number()),
  delayed: z.nullable(z.number()),
  active: z.nullable(z.number()),
  blocked: z.nullable(z.number()),
  completed: z.nullable(z.number()),
  failed: z.nullable(z.number()),
  oldest_waiting_ms: z.nullable(z.number()),
  paused: z.nullable(z.boolean()),
  workers: z.nullable(z.number()),
  /** Null: not sampled, or too few finished jobs are kept to tell. */
  completed_per_s: z.nullable(z.number()),
  failed_per_s: z.nullable(z.number()),
});

const lsResult = z.object({
  queues: z.array(queueLine),
  sources: z.array(sourceResult),
  /** Remembered, and gone since. */
  vanished: z.array(queueRef),
  /** Over which throughput was counted; null when it was not. */
  sample_ms: z.nullable(z.number()),
});
export type LsResult = z.infer<typeof lsResult>;

export interface LsRequest {
  name?: string | undefined;
  discover?: boolean | undefined;
  /** Milliseconds of the sample; 0 for none. */
  window: number;
}

export async function ls(context: Context, request: LsRequest): Promise<LsResult> {
  const { name, window } = request;
  return withEstate(context, request, async (estate) => {
    const wanted = name === undefined ? () => true : await narrow(estate, name);
    const parts = await Promise.all(
      estate.sources.map((source) => readSource(context, source, wanted, window)),
    );
    return lsResult.parse({
      queues: parts.flatMap(({ queues }) => queues),
      sources: parts.map(({ source, problem }) => toSource(source, problem)),
      vanished: estate.sources.flatMap(({ found }) => found?.vanished ?? []),
      sample_ms: window || null,
    });
  });
}

type Wanted = (ref: QueueRef) => boolean;

/** A queue by any of its names, or several by a pattern. */
async function narrow({ sources, places, named }: Estate, name: string): Promise<Wanted> {
  if (name.includes('*')) {
    const parts = name.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'));
    const pattern = new RegExp(`^${parts.join('.*')}$`, 's');
    const wanted: Wanted = ({ queue, scope }) =>
      pattern.test(queue) || pattern.test(`${scope}:${queue}`);
    if (places.some(({ ref }) => wanted(ref))) return wanted;
    throw unknownQueue(sources, name);
  }
  // Of several with the name all are shown. One that is new is looked for.
  if (!places.some(({ ref }) => calledSo(ref, name))) await named([name]);
  return (ref) => calledSo(ref, name);
}

interface Part {
  source: Source;
  queues: z.infer<typeof queueLine>[];
  problem: string | null;
}

/** One source; another one that cannot be read does not concern it. */
async function readSource(
  context: Context,
  source: Source,
  wanted: Wanted,
  window: number,
): Promise<Part> {
  const { found } = source;
  if (!found) return { source, queues: [], problem: source.problem };
  const { engine } = found;
  try {
    const refs = found.queues.filter(wanted);
    const rates = window > 0 ? await throughput(context, engine, refs, window) : [];
    const snapshots = await engine.snapshots(refs);
    const unsampled = { completed_per_s: null, failed_per_s: null };
    const queues = snapshots.map((queue, index) => ({ ...queue, ...(rates[index] ?? unsampled) }));
    return { source, queues, problem: null };
  } catch (error) {
    return { source, queues: [], problem: await problemOf(context, engine, error) };
  }
}

/** Finished jobs a second, queue by queue. */
async function throughput(
  { signal }: Context,
  engine: Engine,
  refs: readonly QueueRef[],
  window: number,
) {
  const marks = [];
  for (const ref of refs) {
    const at = performance.now();
    const completed = await newestOf(engine, ref, 'completed');
    marks.push({ ref, at, completed, failed: await newestOf(engine, ref, 'failed') });
  }
  await sleep(window, undefined, { signal });
  const rates = [];
  for (const { ref, at, completed, failed } of marks) {
    const done = await finishedSince(engine, ref, 'completed', completed);
    const lost = await finishedSince(engine, ref, 'failed', failed);
    const seconds = (performance.now() - at) / 1_000;
    rates.push({ completed_per_s: rate(done, seconds), failed_per_s: rate(lost, seconds) });
  }
  return rates;
}

function rate(count: number | null, seconds: number): number | null {
  return count === null ? null : Math.round((count / seconds) * 100) / 100;
}
