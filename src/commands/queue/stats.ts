import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { ExitCode } from '../../errors.js';
import { emit, say } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import type { Place } from '../../queues/bulk/choose.js';
import { compare, type Growth } from '../../queues/growth.js';
import { fullName } from '../../queues/names.js';
import type { QueueStats } from '../../queues/stats.js';
import { deadSources, eachQueue } from './each.js';
import { withEstate } from './estate.js';
import { renderStats } from './render-stats.js';
import { problemResult, queueRef } from './result.js';
import { queueOption } from './select.js';

interface Flags {
  queue?: string[];
  newest?: string;
  discover?: boolean;
}

const NEWEST = 1_000;

export function registerStats(topic: Command, context: Context): void {
  topic
    .command('stats')
    .description('wait and run times, reasons of failure, kept jobs and their memory')
    .argument('[queue]', 'this queue (default: all)')
    .addOption(queueOption())
    .option(
      '-n, --newest <n>',
      `so many of the newest finished jobs are measured (default: ${NEWEST})`,
    )
    .option('--discover', 'search all keys and tables for queues, whatever is remembered')
    .addHelpText(
      'after',
      `
Reads only. Wait is from when a job could be taken until it was, run from then to its end; both over
the newest finished jobs that are kept. "/min" is how many of them finished a minute. Messages of
failures are grouped by their shape: ids, numbers and quoted parts are left out.
"kept/h" and "memory/h" are by how much the kept jobs and their memory have grown an hour since an
earlier queue stats, up to a day ago: what it counted is remembered in the state folder. "-" where
there is nothing yet to compare with. Memory is that of the jobs measured, times all that are kept.
Exit 2 for a queue that is not there; 4 when a source cannot be read; 5 when none can.

Examples:
  $ cache-ops queue stats mail
  $ cache-ops queue stats mail --newest 10000 --json | jq '.queues[0].failures'`,
    )
    .action(async (queue: string | undefined, flags: Flags) => {
      const newest = flags.newest === undefined ? NEWEST : parseCount(flags.newest, '--newest');
      const names = [...(queue === undefined ? [] : [queue]), ...(flags.queue ?? [])];
      const result = await stats(context, { names, newest, discover: flags.discover });
      await emit(context, result, renderStats);
      if (result.problems.length > 0)
        context.exitCode = result.queues.length > 0 ? ExitCode.partial : ExitCode.connect;
    });
}

const percentiles = z.nullable(
  z.object({
    count: z.number(),
    p50: z.number(),
    p95: z.number(),
    p99: z.number(),
    max: z.number(),
  }),
);

const statsResult = z.object({
  queues: z.array(
    z.extend(queueRef, {
      sampled: z.number(),
      wait_ms: percentiles,
      run_ms: percentiles,
      finished_per_minute: z.nullable(z.number()),
      failures: z.array(
        z.object({
          shape: z.string(),
          count: z.number(),
          example: z.string(),
          newest_id: z.string(),
        }),
      ),
      retained: z.object({ completed: z.number(), failed: z.number(), cancelled: z.number() }),
      memory: z.nullable(z.object({ average_bytes: z.number(), retained_bytes: z.number() })),
      /** Of what is retained, since an earlier measurement of this command; null without one. */
      growth: z.nullable(
        z.object({
          since: z.string(),
          over_ms: z.number(),
          jobs: z.number(),
          bytes: z.nullable(z.number()),
          jobs_per_hour: z.number(),
          bytes_per_hour: z.nullable(z.number()),
        }),
      ),
    }),
  ),
  problems: z.array(problemResult),
});
export type StatsResult = z.infer<typeof statsResult>;

export interface StatsRequest {
  names: readonly string[];
  /** So many finished jobs are measured. */
  newest: number;
  discover?: boolean | undefined;
}

export async function stats(context: Context, request: StatsRequest): Promise<StatsResult> {
  const { names, newest } = request;
  return withEstate(context, request, async (estate) => {
    const places = await estate.named(names);
    const found = new Map<string, QueueStats>();
    const progress = await startProgress(context, 'Measuring');
    try {
      const failed = await eachQueue(context, places, async ({ engine, ref }) => {
        found.set(fullName(ref), await engine.stats(ref, newest));
      });
      const growth = await growthOf(context, places, found);
      return statsResult.parse({
        queues: places.flatMap(({ ref }) => {
          const measured = found.get(fullName(ref));
          return measured ? { ...measured, growth: growth.get(fullName(ref)) ?? null } : [];
        }),
        problems: [...(names.length === 0 ? deadSources(estate.sources) : []), ...failed],
      });
    } finally {
      progress.stop();
    }
  });
}

/** How each queue has grown since an earlier command, which is remembered source by source. */
async function growthOf(
  context: Context,
  places: readonly Place[],
  found: ReadonlyMap<string, QueueStats>,
): Promise<Map<string, StatsResult['queues'][number]['growth']>> {
  const config = await context.config();
  const results = new Map<string, StatsResult['queues'][number]['growth']>();
  for (const engine of new Set(places.map((place) => place.engine))) {
    const own = places.filter((place) => place.engine === engine);
    const measured = own.flatMap(({ ref }) => found.get(fullName(ref)) ?? []);
    const { growth, unwritable } = compare(context.state, config, engine, measured, context.now());
    if (unwritable !== null && !context.settings.json)
      say(context, `there is nothing to compare with next time: ${unwritable}`);
    for (const [index, stats] of measured.entries()) {
      const one = growth[index];
      results.set(fullName(stats), one ? hourly(one) : null);
    }
  }
  return results;
}

function hourly({ since, over_ms, jobs, bytes }: Growth) {
  const perHour = (change: number) => Math.round((change / over_ms) * 3_600_000);
  return {
    since: new Date(since).toISOString(),
    over_ms,
    jobs,
    bytes,
    jobs_per_hour: perHour(jobs),
    bytes_per_hour: bytes === null ? null : perHour(bytes),
  };
}
