import { type Command, Option } from 'commander';
import { nearest } from '../../config/nearest.js';
import { parseDuration } from '../../config/units.js';
import { CacheOpsError, messageOf } from '../../errors.js';
import type { JobFilter } from '../../queues/filter.js';
import { JOB_STATES, type JobState } from '../../queues/queue.js';

/** The flags of `addSelection` as commander hands them over. */
export interface SelectionFlags {
  queue?: string[];
  state?: string[];
  name?: string;
  error?: string;
  data?: string[];
  olderThan?: string;
  newerThan?: string;
}

/** The flags that say which jobs are meant: the same ones for what reads and for what changes. */
export function addSelection(command: Command): Command {
  return command
    .addOption(queueOption())
    .addOption(
      new Option('--state <state>', 'jobs in this state; several with commas')
        .choices(JOB_STATES)
        .argParser(collect),
    )
    .option('--name <name>', 'jobs of this name (BullMQ)')
    .option('--error <pattern>', 'failed with a message that has this text, or matches /re/flags')
    .option('--data <path=value>', 'with this value in their data: user.id=7; may repeat', collect)
    .option('--older-than <duration>', 'finished (or, if they have not, created) longer ago: 1h')
    .option('--newer-than <duration>', 'finished (or, if they have not, created) since: 10m');
}

/** `--queue`, for the commands that take no other part of a selection. */
export function queueOption(): Option {
  return new Option(
    '--queue <queue>',
    'this queue: name, scope:name or source/scope:name; may repeat',
  ).argParser(collect);
}

/** What the flags and the ids mean at this moment. No flag at all means every job: see `isEmpty`. */
export function selectionFrom(
  flags: SelectionFlags,
  now: number,
  ids: readonly string[] = [],
): JobFilter {
  const { state = [], name, error, data = [], olderThan, newerThan } = flags;
  const ago = (text: string, flag: string) => now - parseDuration(text, flag);
  return {
    ...(ids.length > 0 && { ids: [...new Set(ids)] }),
    states: statesFrom(state),
    ...(name !== undefined && { name }),
    ...(error !== undefined && { error: patternFrom(error) }),
    ...(data.length > 0 && { data: data.map(placeFrom) }),
    ...(olderThan !== undefined && { before: ago(olderThan, '--older-than') }),
    ...(newerThan !== undefined && { after: ago(newerThan, '--newer-than') }),
  };
}

/** `failed,completed`, once or in several flags. */
export function statesFrom(given: readonly string[]): JobState[] {
  const words = given.flatMap((text) => text.split(',')).map((word) => word.trim());
  return [...new Set(words)].map((word) => {
    const state = JOB_STATES.find((known) => known === word);
    if (state) return state;
    throw new CacheOpsError(
      'usage',
      `--state: "${word}" is not a state of a job`,
      nearest(word, JOB_STATES),
    );
  });
}

/**
 * `/re/flags` is a regular expression, any other text is looked for as it stands. What begins with a
 * slash is never taken for a text: a mistyped expression would quietly match other jobs, or none.
 */
export function patternFrom(text: string): RegExp {
  if (text === '') throw new CacheOpsError('usage', '--error: the text is empty');
  if (!text.startsWith('/')) return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  const [, source, flags = ''] = /^\/(.+)\/(\w*)$/s.exec(text) ?? [];
  try {
    if (source === undefined) throw new Error(`Invalid regular expression: ${text}: no second /`);
    // "g" and "y" make a RegExp remember where it was in the job before.
    return new RegExp(source, flags.replace(/[gy]/g, ''));
  } catch (error) {
    throw new CacheOpsError(
      'usage',
      `--error: ${messageOf(error).replace(/\s+/g, ' ')}`,
      'write it as /ETIMEDOUT|reset/i, or as plain text that does not begin with a slash',
    );
  }
}

/** `user.id=7`; a dot in a key is written `\.`. */
function placeFrom(text: string): { path: string[]; value: string } {
  const at = text.indexOf('=');
  if (at < 1) {
    throw new CacheOpsError(
      'usage',
      `--data: "${text}" has no path and value`,
      'write it as path=value: user.id=7, items.0.sku=A-1',
    );
  }
  const path = text.slice(0, at).match(/(?:\\.|[^.\\])+/gs) ?? [];
  return { path: path.map((key) => key.replace(/\\(.)/gs, '$1')), value: text.slice(at + 1) };
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}
