import type { Command } from 'commander';
import * as z from 'zod/mini';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { ExitCode } from '../../errors.js';
import { emit, emitLine } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import type { Place } from '../../queues/bulk/choose.js';
import { isEmpty, type JobFilter } from '../../queues/filter.js';
import type { Job } from '../../queues/job.js';
import { newestJobs, newestOf } from '../../queues/listing.js';
import { JOB_STATES } from '../../queues/queue.js';
import { deadSources, eachQueue } from './each.js';
import { withEstate } from './estate.js';
import { renderJobs, renderSummary } from './render-jobs.js';
import { jobResult, type Problem, problemResult, toJobResult } from './result.js';
import { addSelection, type SelectionFlags, selectionFrom } from './select.js';

interface Flags extends SelectionFlags {
  limit?: string;
  discover?: boolean;
}

/** So many jobs are a page that a person reads. */
const PAGE = 50;

export function registerJobs(topic: Command, context: Context): void {
  const command = topic
    .command('jobs')
    .description('jobs by state, name, error, data and age, the newest first')
    .argument('[queue]', 'of this queue (default: of all)');
  addSelection(command)
    .option('-n, --limit <n>', `at most so many; 0: all (default: ${PAGE}; with --json all)`)
    .option('--discover', 'search all keys and tables for queues, whatever is remembered')
    .addHelpText(
      'after',
      `
Reads only. A page is the newest jobs of all states and queues together. Without a limit jobs are
streamed queue by queue, newest first within a state, with memory that does not grow.
--json writes one line a job ("type": "item") and a summary at the end.
A ghost is an id in a list without a job; a corrupt job cannot be read. Both are counted.
Exit 2 for a queue that is not there or an expression that is none; 4 when a source cannot
be read; 5 when none can.

Examples:
  $ cache-ops queue jobs mail --state failed --newer-than 1h
  $ cache-ops queue jobs --error '/ETIMEDOUT|reset/i' --data user.id=7
  $ cache-ops queue jobs mail --state failed --json | jq -r 'select(.type == "item").id'`,
    )
    .action(async (queue: string | undefined, flags: Flags) => {
      const names = [...(queue === undefined ? [] : [queue]), ...(flags.queue ?? [])];
      const filter = selectionFrom(flags, context.now());
      const everything = context.settings.json ? 0 : PAGE;
      const limit = flags.limit === undefined ? everything : parseCount(flags.limit, '--limit', 0);
      await jobs(context, { names, filter, limit, discover: flags.discover });
    });
}

export interface JobsRequest {
  names: readonly string[];
  filter: JobFilter;
  /** 0 for all. */
  limit: number;
  discover?: boolean | undefined;
}

const jobsSummary = z.object({
  jobs: z.number(),
  /** Of these, ids in lists without a job, and jobs that cannot be read. */
  ghosts: z.number(),
  corrupt: z.number(),
  /** The limit has left out others that match. */
  more: z.boolean(),
  /** What is missing in the answer. */
  problems: z.array(problemResult),
});
export type JobsSummary = z.infer<typeof jobsSummary>;

/** Writes the jobs as they come, and the summary; sets the exit code. */
export async function jobs(context: Context, request: JobsRequest): Promise<void> {
  await withEstate(context, request, async (estate) => {
    const places = await estate.named(request.names);
    const dead = request.names.length === 0 ? deadSources(estate.sources) : [];
    const summary: JobsSummary = { jobs: 0, ghosts: 0, corrupt: 0, more: false, problems: dead };
    const write = writer(context, summary);
    const work = request.limit === 0 ? stream : page;
    summary.problems.push(...(await work(context, places, request, summary, write)));
    await writeSummary(context, jobsSummary.parse(summary));
    judge(context, summary, places.length);
  });
}

type Write = (jobs: readonly Job[]) => Promise<void>;

/** The newest jobs of all queues together. */
async function page(
  context: Context,
  places: readonly Place[],
  { filter, limit }: JobsRequest,
  summary: JobsSummary,
  write: Write,
): Promise<Problem[]> {
  let newest: Job[] = [];
  const add = (found: { jobs: Job[]; more: boolean }) => {
    const all = newestOf([...newest, ...found.jobs], limit);
    newest = all.jobs;
    summary.more ||= found.more || all.more;
  };
  const progress = await startProgress(context, 'Reading jobs');
  try {
    const left = await togetherWhereQuick(places, filter, limit, add);
    return await eachQueue(context, left, async (place) =>
      add(await newestJobs(place, filter, limit)),
    );
  } finally {
    progress.stop();
    await write(newest);
  }
}

/** All ids that may be on the page are in memory at once: a page that a person reads, of hundreds of queues. */
const TOGETHER = 200;

/** Reads all queues of an engine at once where it can; returns the queues that are still to be read. */
async function togetherWhereQuick(
  places: readonly Place[],
  filter: JobFilter,
  limit: number,
  add: (found: { jobs: Job[]; more: boolean }) => void,
): Promise<Place[]> {
  if (!isEmpty(filter) || limit > TOGETHER) return [...places];
  const states = filter.states.length > 0 ? filter.states : JOB_STATES;
  const left: Place[] = [];
  for (const engine of new Set(places.map((place) => place.engine))) {
    const own = places.filter((place) => place.engine === engine);
    const refs = own.map(({ ref }) => ref);
    // What stands against one queue is not to hide the others: each is read on its own then.
    const found = await engine.newest?.(refs, states, limit).catch(() => undefined);
    if (found) add(found);
    else left.push(...own);
  }
  return left;
}

/** Every job, as it is read: of any number of jobs only one page is in memory. */
function stream(
  context: Context,
  places: readonly Place[],
  { filter }: JobsRequest,
  _: JobsSummary,
  write: Write,
): Promise<Problem[]> {
  const one = async ({ engine, ref }: Place) => {
    for await (const part of engine.jobs(ref, filter)) {
      await write(part);
      context.signal.throwIfAborted();
    }
  };
  return eachQueue(context, places, one, 1);
}

function writer(context: Context, summary: JobsSummary): Write {
  return async (part) => {
    summary.jobs += part.length;
    for (const { problem } of part) {
      if (problem === 'ghost') summary.ghosts += 1;
      if (problem === 'corrupt') summary.corrupt += 1;
    }
    const lines = part.map((job) => jobResult.parse(toJobResult(job)));
    if (context.settings.json) for (const job of lines) emitLine(context, { type: 'item', ...job });
    else if (lines.length > 0) await emit(context, lines, (all) => renderJobs(all, context.now()));
    // A reader that is slower than the server would have all of it wait in memory.
    await context.stdout.drained?.();
  };
}

async function writeSummary(context: Context, summary: JobsSummary): Promise<void> {
  if (context.settings.json) emitLine(context, { type: 'summary', ...summary });
  else await emit(context, summary, renderSummary);
}

/** 5 when nothing could be read; 4 when something is missing. */
function judge(context: Context, { jobs, problems }: JobsSummary, places: number): void {
  if (problems.length === 0) return;
  const nothing = jobs === 0 && problems.length >= places;
  context.exitCode = nothing ? ExitCode.connect : ExitCode.partial;
}
