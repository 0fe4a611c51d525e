import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { ExitCode } from '../../errors.js';
import { emit } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
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
the newest finished jobs that are kept. "min" is how many of them finished a minute. Messages of
failures are grouped by their shape: ids, numbers and quoted parts are left out.
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
      return statsResult.parse({
        queues: places.flatMap(({ ref }) => found.get(fullName(ref)) ?? []),
        problems: [...(names.length === 0 ? deadSources(estate.sources) : []), ...failed],
      });
    } finally {
      progress.stop();
    }
  });
}
