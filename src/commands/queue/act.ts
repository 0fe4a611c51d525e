import type { Command } from 'commander';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { emit } from '../../output/emit.js';
import type { Consent } from '../../prompt.js';
import type { Action } from '../../queues/bulk/store.js';
import { isEmpty, type JobFilter } from '../../queues/filter.js';
import type { Operation } from '../../queues/operation.js';
import type { JobState } from '../../queues/queue.js';
import { type Change, changeJobs, preview, resumeJobs } from './bulk.js';
import { withEstate } from './estate.js';
import { explained } from './lost.js';
import { placesFor } from './places.js';
import { renderImpact } from './render-bulk.js';
import { addSelection, type SelectionFlags, selectionFrom } from './select.js';

export interface ActFlags extends Consent, SelectionFlags {
  all?: boolean;
  cascade?: boolean;
  dryRun?: boolean;
  rate?: string;
  resume?: string | true;
}

/** A verb that changes jobs. */
interface Act {
  action: Exclude<Action, 'clean'>;
  summary: string;
  operation(flags: ActFlags): Operation;
  /** The states that a filter means when it names none; an id means its job in any state. */
  states: readonly JobState[];
  help: string;
}

const ACTS: readonly Act[] = [
  {
    action: 'retry',
    summary: 'failed jobs are made to wait again, with their priority, parent and data',
    operation: () => ({ type: 'retry' }),
    states: ['failed'],
    help: `
A job that is still running is refused, as the retry would run it twice. Cancelled jobs (pg-boss)
are retried with --state cancelled.

Examples:
  $ cache-ops queue retry 4711                                 one job, in whichever queue it is
  $ cache-ops queue retry --queue mail --error /ETIMEDOUT/ --dry-run
  $ cache-ops queue retry --queue mail --error /ETIMEDOUT/ --rate 200 --yes
  $ cache-ops queue retry --queue mail --all --confirm mail    in production
  $ cache-ops queue retry --resume                             go on after an interruption`,
  },
  {
    action: 'cancel',
    summary: 'jobs that have not ended yet: removed, cancelled, or fenced while they run',
    operation: () => ({ type: 'cancel' }),
    states: ['waiting', 'delayed', 'active', 'blocked'],
    help: `
What it did is said for each: a job of BullMQ that waits is removed, one of pg-boss is cancelled
and can be retried. A running job is fenced: its result will be refused. Its worker is not killed;
unless it listens it runs to its end.

Examples:
  $ cache-ops queue cancel 4711
  $ cache-ops queue cancel --queue mail --name digest --state waiting,delayed --dry-run
  $ cache-ops queue cancel --queue mail --data user.id=17 --yes`,
  },
  {
    action: 'rm',
    summary: 'jobs are removed for good',
    operation: ({ cascade = false }) => ({ type: 'remove', cascade }),
    states: ['waiting', 'delayed', 'blocked', 'completed', 'failed', 'cancelled'],
    help: `
A running job is left alone, and so is one that a job scheduler needs. A job whose removal would
delete or release the parent of a flow is left alone too, unless --cascade says so.

Examples:
  $ cache-ops queue rm 4711
  $ cache-ops queue rm --queue mail --state failed --older-than 30d --dry-run
  $ cache-ops queue rm --queue mail --data tenant=gone --cascade --yes`,
  },
  {
    action: 'promote',
    summary: 'delayed jobs are made to wait now, with their priority',
    operation: () => ({ type: 'promote' }),
    states: ['delayed'],
    help: `
Examples:
  $ cache-ops queue promote 4711
  $ cache-ops queue promote --queue mail --name digest --yes`,
  },
  {
    action: 'redrive',
    summary: 'dead letters go back to the queue that they came from',
    operation: () => ({ type: 'redrive' }),
    states: ['waiting', 'delayed'],
    help: `
Name the dead letter queue, not the one that the jobs came from.

Examples:
  $ cache-ops queue redrive --queue mail-dead --all --dry-run
  $ cache-ops queue redrive --queue mail-dead --error /ETIMEDOUT/ --yes`,
  },
];

const CONTRACT = `

Nothing is changed without ids, a filter or --all; a queue or a state alone is no filter.
Each job is looked at once more on the server, in the step that changes it: one that somebody else
has moved meanwhile is left alone and reported as raced.
Exit 0 all done; 4 some were not; 6 refused; 130 interrupted, go on with --resume.`;

export function registerActs(topic: Command, context: Context): void {
  for (const act of ACTS) {
    const { action, summary, help } = act;
    const command = topic
      .command(action)
      .description(summary)
      .argument('[id...]', 'jobs by their ids, in --queue or wherever they are');
    addSelection(command).option('--all', 'every job of the state');
    if (action === 'rm') addCascade(command);
    addBulkFlags(command, action)
      .addHelpText('after', `${help}${CONTRACT}`)
      .action((ids: string[], flags: ActFlags) => run(context, act, ids, flags));
  }
}

export function addCascade(command: Command): Command {
  return command.option('--cascade', 'also where the parent of a flow is deleted or released');
}

export function addBulkFlags(command: Command, action: Action): Command {
  return command
    .option('--dry-run', 'say what would become of each job, and change nothing')
    .option('--rate <n>', 'at most so many jobs a second')
    .option('--resume [operation]', `go on with an interrupted ${action} (default: the newest)`)
    .option('-y, --yes', 'do not ask')
    .option(
      '--confirm <name>',
      "the queue's name (of several queues: the source's), for production",
    );
}

async function run(context: Context, act: Act, ids: string[], flags: ActFlags): Promise<void> {
  const { action } = act;
  if (flags.resume !== undefined) return resume(context, action, ids, flags);
  const queues = flags.queue ?? [];
  const filter = selectionFrom(flags, context.now());
  if (ids.length > 0 && !(isEmpty(filter) && filter.states.length === 0)) {
    throw new CacheOpsError('usage', 'ids or a filter, not both', `see queue ${action} --help`);
  }
  const chosen: JobFilter =
    ids.length > 0
      ? { ids: [...new Set(ids)], states: [] }
      : { ...filter, states: filter.states.length > 0 ? filter.states : act.states };
  demandSome(chosen, flags, action);
  await withEstate(context, {}, async (estate) => {
    const { places, missing } = await placesFor(estate, queues, chosen.ids);
    const change: Change = {
      action,
      operation: act.operation(flags),
      selection: { places, filter: withoutMissing(chosen, missing) },
      what: inWords(queues, chosen),
      missing,
    };
    await runChange(context, change, flags);
  });
}

/** Previews or changes. */
export async function runChange(context: Context, change: Change, flags: ActFlags): Promise<void> {
  const rate = rateOf(flags);
  try {
    if (flags.dryRun) await emit(context, await preview(context, change), renderImpact);
    else await changeJobs(context, change, { ...flags, rate });
  } catch (error) {
    throw explained(error, context.settings.timeout);
  }
}

export async function resume(
  context: Context,
  action: Action,
  words: readonly string[],
  { resume: id, dryRun, ...flags }: ActFlags,
): Promise<void> {
  if (words.length > 0 || dryRun) {
    throw new CacheOpsError(
      'usage',
      '--resume goes on with the jobs that were chosen: it takes no others',
      `cache-ops queue ${action} --resume [operation]`,
    );
  }
  const rate = rateOf(flags);
  try {
    await resumeJobs(context, action, typeof id === 'string' ? id : undefined, { rate });
  } catch (error) {
    throw explained(error, context.settings.timeout);
  }
}

function rateOf({ rate }: ActFlags): number | undefined {
  return rate === undefined ? undefined : parseCount(rate, '--rate');
}

function demandSome(filter: JobFilter, { all }: ActFlags, action: Action): void {
  if (isEmpty(filter) && !all) {
    throw new CacheOpsError(
      'usage',
      'which jobs? Give ids, a filter (--error, --name, --data, --older-than, --newer-than) or --all',
      `nothing at all never means every job; see cache-ops queue ${action} --help`,
    );
  }
  if (!isEmpty(filter) && all) {
    throw new CacheOpsError(
      'usage',
      '--all does not go with ids or a filter',
      'leave one of them out',
    );
  }
}

/** `ids` undefined means every job, so an empty list stays one. */
function withoutMissing(filter: JobFilter, missing: readonly string[]): JobFilter {
  return filter.ids ? { ...filter, ids: filter.ids.filter((id) => !missing.includes(id)) } : filter;
}

/** The selection as the audit log and `queue history` show it. */
function inWords(queues: readonly string[], filter: JobFilter): string {
  const { ids, states, name, error, data = [], before, after } = filter;
  const said = [
    ...(ids ? [ids.length > 5 ? `${ids.length} ids` : `id ${ids.join(', ')}`] : []),
    ...(states.length > 0 ? [states.join(' or ')] : []),
    ...(name === undefined ? [] : [`name ${name}`]),
    ...(error ? [`error ${error}`] : []),
    ...data.map(({ path, value }) => `data ${path.join('.')}=${value}`),
    ...(before === undefined ? [] : [`before ${new Date(before).toISOString()}`]),
    ...(after === undefined ? [] : [`since ${new Date(after).toISOString()}`]),
  ];
  return `${said.join(', ')} in ${queues.length > 0 ? queues.join(', ') : 'all queues'}`;
}
