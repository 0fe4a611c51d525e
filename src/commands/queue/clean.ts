import type { Command } from 'commander';
import { parseCount, parseDuration } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import type { JobState } from '../../queues/queue.js';
import { type ActFlags, addBulkFlags, addCascade, resume, runChange } from './act.js';
import { withEstate } from './estate.js';
import { placesFor } from './places.js';
import { statesFrom } from './select.js';

interface CleanFlags extends ActFlags {
  keep?: string;
}

/** States that a job has ended in. */
const ENDED: readonly JobState[] = ['completed', 'failed', 'cancelled'];
const STATES: readonly JobState[] = ['completed', 'failed'];
const AGE = '24h';
/** So many of the newest stay in each queue, as the runbooks have it. */
const KEEP: Partial<Record<JobState, number>> = { completed: 100, failed: 50 };

export function registerClean(topic: Command, context: Context): void {
  const command = topic
    .command('clean')
    .description('finished jobs that are old are removed, the newest are kept')
    .argument('[queue...]', 'queues to clean (default: with --all, every one)')
    .option('--all', 'every queue')
    .option(
      '--state <state>',
      'completed, failed or cancelled; several with commas (default: completed,failed)',
      (value: string, before: string[] = []) => [...before, value],
    )
    .option('--older-than <duration>', `finished so long ago (default: ${AGE})`)
    .option(
      '--keep <n>',
      `so many of the newest of each state stay, however old (default: ${KEEP.completed} completed, ${KEEP.failed} failed)`,
    );
  addBulkFlags(addCascade(command), 'clean')
    .addHelpText(
      'after',
      `
A job whose removal would delete or release the parent of a flow is left alone, unless --cascade
says so; what a job scheduler needs is left alone always.
Exit 0 all done; 4 some were not; 6 refused; 130 interrupted, go on with --resume.

Examples:
  $ cache-ops queue clean mail --dry-run
  $ cache-ops queue clean mail --state failed --older-than 7d --keep 10 --yes
  $ cache-ops queue clean --all --yes                     every queue, as a nightly job
  $ cache-ops queue clean --resume                        go on after an interruption`,
    )
    .action((names: string[], flags: CleanFlags) => clean(context, names, flags));
}

async function clean(context: Context, names: string[], flags: CleanFlags): Promise<void> {
  if (flags.resume !== undefined) return resume(context, 'clean', names, flags);
  if (names.length === 0 && !flags.all) {
    throw new CacheOpsError(
      'usage',
      'which queues? Give their names or --all',
      'see cache-ops queue ls',
    );
  }
  if (names.length > 0 && flags.all) {
    throw new CacheOpsError('usage', '--all does not go with names', 'leave one of them out');
  }
  const states = flags.state ? statesFrom(flags.state) : STATES;
  const running = states.find((state) => !ENDED.includes(state));
  if (running) {
    throw new CacheOpsError(
      'usage',
      `clean removes finished jobs; ${running} is not a state of those`,
      'to remove others: cache-ops queue rm',
    );
  }
  const older = flags.olderThan ?? AGE;
  const before = context.now() - parseDuration(older, '--older-than');
  const keep = keepOf(states, flags.keep);
  await withEstate(context, {}, async (estate) => {
    const { places } = await placesFor(estate, names);
    const kept = states.map((state) => `${keep[state] ?? 0} ${state}`).join(' and ');
    await runChange(
      context,
      {
        action: 'clean',
        operation: { type: 'remove', cascade: flags.cascade === true },
        selection: { places, filter: { states, before }, keep },
        what: `${states.join(' or ')}, older than ${older}, the newest ${kept} kept, in ${names.length > 0 ? names.join(', ') : 'all queues'}`,
        missing: [],
      },
      flags,
    );
  });
}

function keepOf(states: readonly JobState[], given: string | undefined) {
  if (given === undefined) return KEEP;
  const keep = parseCount(given, '--keep', 0);
  return Object.fromEntries(states.map((state) => [state, keep]));
}
