import * as z from 'zod/mini';
import type { Config } from '../config/load.js';
import { messageOf } from '../errors.js';
import { readJson, type State, writeDurably } from '../state/folder.js';
import { type EngineId, fileOf } from './known.js';
import type { QueueStats } from './stats.js';

/** How the kept jobs of a queue have become more, or less, since an earlier measurement. */
export interface Growth {
  /** Ms since 1970. */
  since: number;
  over_ms: number;
  jobs: number;
  /** Null where either measurement has no bytes. */
  bytes: number | null;
}

/** What was measured, for a later command to compare with. */
const sampleSchema = z.object({ at: z.number(), jobs: z.number(), bytes: z.nullable(z.number()) });
type Sample = z.infer<typeof sampleSchema>;

/** By `scope:queue`, the oldest first. */
const samplesSchema = z.record(z.string(), z.array(sampleSchema));

const HOUR = 3_600_000;
/** A comparison reaches this far back, or to the last measurement before. */
const REACH = 24 * HOUR;
/** One an hour is kept. */
const SPACING = HOUR;
/** What changes in seconds says nothing of an hour. */
const SHORTEST = 60_000;
/** A queue that nobody has measured for so long is forgotten. */
const FORGOTTEN = 30 * 24 * HOUR;

/**
 * Compares measurements of one source's queues with earlier ones, and remembers them. Only what two
 * commands have counted is told: when a kept job finished says nothing of those that were removed.
 */
export function compare(
  state: State,
  config: Config,
  engine: EngineId,
  measured: readonly QueueStats[],
  now: number,
): { growth: (Growth | null)[]; unwritable: string | null } {
  const file = fileOf(state, 'samples', engine, config);
  const known = samplesSchema.safeParse(readJson(file)).data ?? {};
  const growth = measured.map((stats) => {
    const name = `${stats.scope}:${stats.queue}`;
    const sample = sampleOf(stats, now);
    const samples = withSample(known[name] ?? [], sample);
    known[name] = samples;
    return growthSince(samples, sample);
  });
  for (const [name, samples] of Object.entries(known))
    if (now - (samples.at(-1)?.at ?? 0) > FORGOTTEN) delete known[name];
  try {
    writeDurably(file, `${JSON.stringify(known)}\n`);
    return { growth, unwritable: null };
  } catch (error) {
    return { growth, unwritable: messageOf(error) };
  }
}

function sampleOf({ retained, memory }: QueueStats, at: number): Sample {
  const jobs = retained.completed + retained.failed + retained.cancelled;
  // An empty queue has no job to weigh, and needs nothing.
  return { at, jobs, bytes: jobs === 0 ? 0 : (memory?.retained_bytes ?? null) };
}

function growthSince(samples: readonly Sample[], { at, jobs, bytes }: Sample): Growth | null {
  const [before] = samples.filter((sample) => at - sample.at >= SHORTEST);
  if (!before) return null;
  return {
    since: before.at,
    over_ms: at - before.at,
    jobs: jobs - before.jobs,
    bytes: bytes === null || before.bytes === null ? null : bytes - before.bytes,
  };
}

/** With the new one where it is due, and without those that no comparison reaches any more. */
function withSample(samples: readonly Sample[], sample: Sample): Sample[] {
  // What a clock says that was set back since is not to be compared with.
  const past = samples.filter(({ at }) => at <= sample.at);
  const last = past.at(-1);
  if (!last || sample.at - last.at >= SPACING) past.push(sample);
  const first = past.findIndex(({ at }) => sample.at - at <= REACH);
  // The last one beyond the reach stays while nothing within it is older than the shortest span.
  const within = past.slice(first);
  const enough = within.some(({ at }) => sample.at - at >= SHORTEST);
  return enough || first === 0 ? within : past.slice(first - 1);
}
