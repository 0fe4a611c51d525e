import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { emit } from '../../output/emit.js';
import type { Place } from '../../queues/bulk/choose.js';
import { fullName } from '../../queues/names.js';
import { aboutAbsent } from './absent.js';
import { type Estate, problemOf, unread, withEstate } from './estate.js';
import { renderShow } from './render-show.js';
import { jobResult, toJobResult } from './result.js';
import { queueOption } from './select.js';

interface Flags {
  queue?: string[];
  full?: boolean;
  discover?: boolean;
}

export function registerShow(topic: Command, context: Context): void {
  topic
    .command('show')
    .description('one job in depth: data, error, stack, logs, flow, lock, what a retry would do')
    .argument('<id>', "the job's id, in whichever queue it is")
    .addOption(queueOption())
    .option('--full', 'data, result, stack and logs in full length')
    .option('--discover', 'search all keys and tables for queues, whatever is remembered')
    .addHelpText(
      'after',
      `
Reads only. Long data is cut on a terminal and in a pipe unless --full; --json has all of it.
An id that several queues have is refused with their names: say which with --queue.
Exit 2 for a job or a queue that is not there; 5 when a source that may have it cannot be read.

Examples:
  $ cache-ops queue show 4711
  $ cache-ops queue show 4711 --queue bull:mail --full
  $ cache-ops queue show 4711 --json | jq .data`,
    )
    .action(async (id: string, { full, ...request }: Flags) => {
      const pretty = context.stdout.isTTY;
      const job = await show(context, { id, ...request });
      const look = { full: full === true, pretty, now: context.now() };
      await emit(context, job, (all) => renderShow(all, look));
    });
}

const relative = z.object({ id: z.string(), queue: z.string() });

const showResult = z.extend(jobResult, {
  result: z.unknown(),
  stack: z.array(z.string()),
  logs: z.array(z.string()),
  progress: z.unknown(),
  parent: z.nullable(relative),
  children: z.array(z.extend(relative, { done: z.boolean() })),
  scheduler: z.nullable(z.string()),
  lock: z.nullable(z.object({ token: z.string(), expires_in_ms: z.nullable(z.number()) })),
  dead_letter: z.object({ from: z.nullable(z.string()), to: z.nullable(z.string()) }),
  /** Where a retry would put it, or why it cannot be retried. */
  retry: z.string(),
});
export type ShowResult = z.infer<typeof showResult>;

export interface ShowRequest {
  id: string;
  queue?: readonly string[];
  discover?: boolean;
}

export async function show(context: Context, request: ShowRequest): Promise<ShowResult> {
  const { id, queue: names = [] } = request;
  return withEstate(context, request, async (estate) => {
    const places = await estate.named(names);
    const held = await estate.holding(places, id);
    const [place] = held;
    if (held.length > 1) throw ambiguous(id, held);
    const job = place && (await read(context, place, id));
    if (!job) {
      const about = await aboutAbsent(places, id);
      if (about instanceof CacheOpsError) throw about;
      throw missing(estate, request, places, about?.hint);
    }
    return showResult.parse({ ...job, ...toJobResult(job), result: job.result ?? null });
  });
}

async function read(context: Context, { engine, ref }: Place, id: string) {
  try {
    return await engine.show(ref, id);
  } catch (error) {
    if (error instanceof CacheOpsError) throw error;
    const problem = await problemOf(context, engine, error);
    throw new CacheOpsError('connect', `${fullName(ref)} cannot be read: ${problem}`);
  }
}

function ambiguous(id: string, held: readonly Place[]): CacheOpsError {
  const names = held.map(({ ref }) => fullName(ref));
  const shown = names.length > 10 ? [...names.slice(0, 10), '...'] : names;
  return new CacheOpsError(
    'usage',
    `job ${id} is in ${names.length} queues: ${shown.join(', ')}`,
    `say which: --queue ${names[0]}`,
  );
}

/** A source that cannot be read may have it: that is another answer. */
function missing(
  { sources }: Estate,
  { id, queue = [] }: ShowRequest,
  places: readonly Place[],
  hint?: string,
): CacheOpsError {
  const dead = queue.length === 0 ? unread(sources) : undefined;
  const where =
    places.length === 1 && places[0] ? fullName(places[0].ref) : `any of ${places.length} queues`;
  const message = `there is no job "${id}" in ${where}`;
  if (dead) return new CacheOpsError('connect', `${message} that can be read; ${dead}`);
  const remembered = sources.some(({ found }) => found?.remembered);
  const removed = remembered
    ? 'it may have been removed; --discover looks for new queues'
    : 'it may have been removed when it finished';
  return new CacheOpsError('not_found', message, hint ?? removed);
}
