import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Context } from './context.js';
import { CacheOpsError } from './errors.js';
import { printable } from './output/format.js';

export interface Consent {
  /** `--yes`: do not ask. */
  yes?: boolean;
  /** `--confirm NAME`: the target's name, needed in production. */
  confirm?: string;
}

/**
 * Returns when the operator agrees to `question`; refuses (exit 6) otherwise. On a terminal it
 * asks; elsewhere `--yes` is needed. In production the target's name is typed, or given with
 * `--confirm`, and `--yes` alone is not enough.
 */
export async function consent(
  context: Context,
  question: string,
  target: string,
  given: Consent,
): Promise<void> {
  const { environment } = await context.config();
  const guarded = environment === 'production';
  if (given.confirm !== undefined) {
    if (given.confirm === target) return;
    throw new CacheOpsError(
      'refused',
      `--confirm ${given.confirm} is not the target's name`,
      `the target is ${target}`,
    );
  }
  if (given.yes && !guarded) return;
  if (!context.stdin().isTTY || !context.stderr.isTTY) {
    throw new CacheOpsError(
      'refused',
      guarded
        ? `${target} is in production: its name must be confirmed`
        : 'needs a yes, and there is no terminal to ask on',
      guarded ? `add --confirm ${target}` : 'add --yes, or --dry-run to see what it would do',
    );
  }
  const answer = await ask(
    context,
    guarded ? `${question}\nType the target's name (${target}) to go on: ` : `${question} [y/N] `,
  );
  if (guarded ? answer === target : /^y(es)?$/i.test(answer)) return;
  throw new CacheOpsError('refused', 'not confirmed, nothing was changed');
}

async function ask({ stdin, stderr, signal }: Context, question: string): Promise<string> {
  const output = new Writable({
    write(chunk, _, done) {
      stderr.write(String(chunk));
      done();
    },
  });
  const reader = createInterface({ input: stdin(), output });
  const safe = question.split('\n').map(printable).join('\n');
  // At the end of the input (Ctrl-D) `question` never settles.
  const ended = new Promise<undefined>((resolve) => reader.once('close', () => resolve(undefined)));
  let answer: string | undefined;
  try {
    answer = await Promise.race([reader.question(safe, { signal }), ended]);
  } finally {
    if (answer === undefined) stderr.write('\n');
    reader.close();
  }
  return answer?.trim() ?? '';
}
