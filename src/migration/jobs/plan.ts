import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CacheOpsError } from '../../errors.js';
import type { JobAdder, NewJob } from '../../queues/adding.js';
import { linesOf, openLines } from '../../state/lines.js';
import type { Bad } from '../entry.js';
import { EntryBytes, Mark } from '../plan/bytes.js';
import type { Shape } from '../shape.js';
import type { Source } from '../sources/source.js';
import { judgeJob, type PlannedJob } from './judge.js';

/** What was found out while a plan of jobs was made. */
export interface MadeJobs {
  entries: number;
  bad: number;
  past: number;
  /** Jobs that were running and are left out. */
  running: number;
  absent: number;
  equal: number;
  /** Bytes of data of all of them, and of memory that the absent ones take; null: not a Redis. */
  values: number;
  memory: number | null;
}

interface Making {
  folder: string;
  source: Source;
  shape: Shape;
  adder: JobAdder;
  largest: number;
  includeRunning: boolean;
  signal: AbortSignal;
  onBad(bad: Bad): void;
}

const fileOf = (folder: string) => join(folder, 'jobs.ndjson');
/** Jobs that are asked about and added together. */
export const CHUNK = 500;

/** A line: a job, and a checksum over it. */
type Line = [sum: number, job: PlannedJob];

/** Reads a source of jobs, checks every one, stores the good ones and asks which of them the queues have. */
export async function planJobs(making: Making): Promise<MadeJobs> {
  const { folder, source, shape, adder, largest, includeRunning, signal } = making;
  const made: MadeJobs = {
    entries: 0,
    bad: 0,
    past: 0,
    running: 0,
    absent: 0,
    equal: 0,
    values: 0,
    memory: adder.footprint ? 0 : null,
  };
  const seen = new Map<string, number>();
  const file = openLines<Line>(fileOf(folder));
  const badFile = openLines<Bad>(join(folder, 'bad.ndjson'));
  const marks = new EntryBytes(join(folder, 'marks.bin'));
  const sayBad = (bad: Bad) => {
    made.bad += 1;
    badFile.write([bad]);
    making.onBad(bad);
  };
  let held: PlannedJob[] = [];
  const flush = async () => {
    if (held.length === 0) return;
    const jobs = held.map((job) => toNew(job, Date.now()));
    const there = await adder.has(jobs);
    for (const [index, job] of jobs.entries()) {
      made[there[index] ? 'equal' : 'absent'] += 1;
      if (made.memory !== null && !there[index]) made.memory += adder.footprint?.(job) ?? 0;
    }
    marks.write(
      made.entries,
      Uint8Array.from(there, (one) => (one ? Mark.equal : 0)),
    );
    file.write(held.map((job): Line => [sumOf(job), job]));
    made.entries += held.length;
    held = [];
  };
  try {
    for await (const batch of source.read(signal)) {
      for (const read of batch) {
        const job = 'problem' in read ? read : judgeJob(read, shape, largest);
        if ('problem' in job) sayBad(job);
        else if ('past' in job) made.past += 1;
        else if (job.running && !includeRunning) made.running += 1;
        else {
          const name = `${job.queue} ${adder.idOf(job)}`;
          const first = seen.get(name);
          if (first !== undefined) {
            const reason = `the same queue and id as ${source.unit} ${first}, which is kept`;
            sayBad({ place: job.place, problem: 'duplicate', reason, id: job.id });
            continue;
          }
          seen.set(name, job.place);
          made.values += Buffer.byteLength(job.data);
          held.push(job);
          if (held.length === CHUNK) await flush();
        }
      }
    }
    await flush();
    await file.sync();
    await badFile.sync();
    return made;
  } finally {
    for (const each of [file, badFile, marks]) each.close();
  }
}

/** The jobs of a plan, some at a time, their checksums checked. */
export async function* plannedJobs(folder: string): AsyncGenerator<PlannedJob[]> {
  let jobs: PlannedJob[] = [];
  for await (const lines of linesOf(fileOf(folder))) {
    for (const line of lines) {
      if (line === '') continue;
      const [sum, job] = JSON.parse(line) as Line;
      if (sum !== sumOf(job))
        throw new CacheOpsError(
          'state',
          `job ${job.id} is not as it was planned`,
          'make a new plan',
        );
      jobs.push(job);
      if (jobs.length < CHUNK) continue;
      yield jobs;
      jobs = [];
    }
  }
  if (jobs.length > 0) yield jobs;
}

const sumOf = (job: PlannedJob) => crc32(JSON.stringify(job));

export function toNew(
  { queue, id, name, data, priority, run_at }: PlannedJob,
  now: number,
): NewJob {
  const delay = run_at === null ? 0 : Math.max(0, Math.round(run_at - now));
  return { queue, id, name, data, priority, delay };
}
