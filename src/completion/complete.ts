import type { Command } from 'commander';
import type { Context } from '../context.js';
import { wantedAt } from './walk.js';
import { dequote } from './words.js';

/** What a script reads instead of candidates where the shell's own file names belong. */
const FILES = 'files\n';

/**
 * The answer to TAB on the last of `words` (the words after `cache-ops`, quotes and all): a line
 * `value<TAB>description` for each way to go on, or `files`. Asks servers only where names of
 * theirs belong.
 */
export async function complete(
  context: Context,
  program: Command,
  words: readonly string[],
): Promise<string> {
  const plain = words.map((word) => dequote(word, context.env.HOME));
  const { candidates, live, files, before = '', ...from } = await wantedAt(program, context, plain);
  if (files) return FILES;
  const names = live ? await (await import('./live.js')).liveNames(context, live, from) : [];
  return [...candidates, ...names]
    .map(({ value, about }) => ({ value: before + value, about }))
    .filter(({ value }) => value.startsWith(plain.at(-1) ?? ''))
    .map(({ value, about }) => `${value}\t${about}\n`)
    .join('');
}
