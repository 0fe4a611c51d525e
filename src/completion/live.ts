import type { Config } from '../config/load.js';
import type { Context } from '../context.js';
import { printable } from '../output/format.js';
import { recallAll } from '../queues/known.js';
import { queueNames } from './queues.js';
import type { Candidate, LiveKind } from './walk.js';

/** Whoever presses TAB waits no longer than this for servers, in milliseconds. */
const LIMIT = 300;

/** Names of a kind, as far as they are known within the limit. */
export async function liveNames(
  context: Context,
  kind: LiveKind,
  flags: { config?: string; sandbox?: boolean },
): Promise<Candidate[]> {
  context.settings = {
    ...context.settings,
    ...(flags.config !== undefined && { config: flags.config }),
    sandbox: flags.sandbox === true,
  };
  const names = await namesOf(context, await context.config(), kind);
  // A name with a tab or a line break in it cannot be passed on, nor typed.
  return names.filter(({ value }) => printable(value) === value);
}

async function namesOf({ state }: Context, config: Config, kind: LiveKind): Promise<Candidate[]> {
  // AbortSignal.timeout keeps no process alive.
  if (kind === 'queues')
    return queueNames(config, AbortSignal.timeout(LIMIT), LIMIT, recallAll(state, config));
  if (kind === 'redis')
    return Object.entries(config.redis).map(([value, { roles }]) => ({
      value,
      about: `Redis: ${roles.join(', ')}`,
    }));
  if (kind === 'postgres')
    return Object.keys(config.postgres).map((value) => ({ value, about: 'Postgres' }));
  if (kind === 'workers')
    return Object.keys(config.workers).map((value) => ({ value, about: 'worker' }));
  return Object.entries(config.applications).map(([value, { health }]) => ({
    value,
    about: `application at ${new URL(health).host}`,
  }));
}
