import type { Channel } from '../../redis/channel.js';
import type { Reply } from '../../redis/resp.js';
import type { QueueRef } from '../queue.js';
import { shapeOf } from '../shape.js';
import type { Percentiles, QueueStats } from '../stats.js';
import { numberOf, optionsOf } from './job.js';
import { key } from './keys.js';
import { type Entry, zsetWindows } from './windows.js';

/** As many hashes are weighed: the command takes longer than a look at a field. */
const WEIGHED = 200;

interface Finished {
  id: string;
  at: number;
  failed: boolean;
  wait: number | null;
  run: number | null;
  error: string | null;
}

/** A queue in depth, over the newest `sample` finished jobs of both ends. */
export async function statsOf(
  channel: Channel,
  queue: QueueRef,
  sample: number,
): Promise<QueueStats> {
  const { engine, source, scope, queue: name } = queue;
  const at = (part: string) => key(scope, name, part);
  const [completed, failed] = await Promise.all([
    newest(channel, at('completed'), sample),
    newest(channel, at('failed'), sample),
  ]);
  const entries = [
    ...completed.map((entry) => ({ ...entry, failed: false })),
    ...failed.map((entry) => ({ ...entry, failed: true })),
  ]
    .sort((a, b) => (b.score ?? 0) - (a.score ?? 0))
    .slice(0, sample);
  const jobs = await readFinished(channel, at, entries);
  const retained = await Promise.all(
    ['completed', 'failed'].map(
      async (part) => numberOf(await channel.send('ZCARD', at(part))) ?? 0,
    ),
  );
  const [kept = 0, broken = 0] = retained;
  return {
    engine,
    source,
    scope,
    queue: name,
    sampled: jobs.length,
    wait_ms: percentiles(jobs.flatMap(({ wait }) => wait ?? [])),
    run_ms: percentiles(jobs.flatMap(({ run }) => run ?? [])),
    finished_per_minute: rate(jobs),
    failures: failuresOf(jobs),
    retained: { completed: kept, failed: broken, cancelled: 0 },
    memory: await memoryOf(
      channel,
      jobs.map(({ id }) => at(id)),
      kept + broken,
    ),
  };
}

async function newest(channel: Channel, set: string, sample: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const window of zsetWindows(channel, set)) {
    entries.push(...window);
    if (entries.length >= sample) break;
  }
  return entries.slice(0, sample);
}

async function readFinished(
  channel: Channel,
  at: (part: string) => string,
  entries: (Entry & { failed: boolean })[],
): Promise<Finished[]> {
  const jobs: Finished[] = [];
  for (let start = 0; start < entries.length; start += 1_000) {
    const some = entries.slice(start, start + 1_000);
    const replies = await channel.pipeline(some.map(({ id }) => ['HMGET', at(id), ...FIELDS]));
    for (const [index, entry] of some.entries()) jobs.push(...finished(entry, replies[index]));
  }
  return jobs;
}

const FIELDS = ['timestamp', 'processedOn', 'finishedOn', 'ats', 'atm', 'opts', 'failedReason'];

/** Nothing for a ghost or what cannot be read. */
function finished(
  { id, failed, score = 0 }: Entry & { failed: boolean },
  reply: Reply | undefined,
): Finished[] {
  if (!Array.isArray(reply)) return [];
  const [timestamp, processedOn, finishedOn, ats, atm, opts, failedReason] = reply;
  const [added, began, ended] = [timestamp, processedOn, finishedOn].map(numberOf);
  if (added === null || added === undefined) return [];
  // Of a later attempt only the start of that one is known, which had its backoff besides.
  const first = (numberOf(ats) ?? numberOf(atm) ?? 1) <= 1;
  const wait = first && began ? began - added - delayOf(opts) : null;
  return [
    {
      id,
      at: ended ?? score,
      failed,
      wait: wait === null ? null : Math.max(0, wait),
      run: began && ended ? Math.max(0, ended - began) : null,
      error: failed && typeof failedReason === 'string' ? failedReason : null,
    },
  ];
}

/** As it was added: the field `delay` is set to 0 when its time has come. */
function delayOf(opts: Reply | undefined): number {
  return typeof opts === 'string' ? (numberOf(optionsOf({ opts })?.delay) ?? 0) : 0;
}

/** Nearest rank: each of them is a value that has been seen. */
function percentiles(values: number[]): Percentiles | null {
  if (values.length === 0) return null;
  const sorted = values.sort((a, b) => a - b);
  const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] as number;
  return { count: sorted.length, p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1) };
}

/** From the first to the last of the sample, the first being where the span begins. */
function rate(jobs: Finished[]): number | null {
  const span = (jobs[0]?.at ?? 0) - (jobs.at(-1)?.at ?? 0);
  return jobs.length < 2 || span <= 0 ? null : ((jobs.length - 1) / span) * 60_000;
}

/** The jobs come newest first. */
function failuresOf(jobs: Finished[]): QueueStats['failures'] {
  const shapes = new Map<string, QueueStats['failures'][number]>();
  for (const { id, failed, error } of jobs) {
    if (!failed) continue;
    const shape = shapeOf(error ?? '');
    const group = shapes.get(shape) ?? { shape, count: 0, example: error ?? '', newest_id: id };
    group.count += 1;
    shapes.set(shape, group);
  }
  return [...shapes.values()].sort((a, b) => b.count - a.count);
}

/** Of the hashes alone; logs and what a flow adds are not in it. Null when the user may not ask. */
async function memoryOf(
  channel: Channel,
  jobs: string[],
  retained: number,
): Promise<QueueStats['memory']> {
  const step = Math.max(1, Math.floor(jobs.length / WEIGHED));
  const some = jobs.filter((_, index) => index % step === 0).slice(0, WEIGHED);
  const replies = await channel.pipeline(some.map((job) => ['MEMORY', 'USAGE', job]));
  const sizes = replies.filter((reply) => typeof reply === 'number');
  if (sizes.length === 0) return null;
  const average = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  return { average_bytes: Math.round(average), retained_bytes: Math.round(average * retained) };
}
