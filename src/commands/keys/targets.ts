import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Config } from '../../config/load.js';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError } from '../../errors.js';
import { type Masters, withMasters } from '../../keys/masters.js';
import { toBytes } from '../../keys/names.js';
import { hasWildcard, literalOf } from '../../keys/pattern.js';
import { applicationPrefix } from '../../keys/prefix.js';
import type { Figure } from '../../output/blocks.js';
import type { PaceOptions } from '../../redis/scan/types.js';
import { type RedisTarget, selectRedis } from '../../redis/target.js';
import { type PaceFlags, paceOf } from '../pace.js';

export interface TargetFlags {
  target?: string;
  db?: string;
}

export function addTarget(command: Command): Command {
  return command
    .option('--target <redis>', 'a Redis of the configuration, or a redis:// URL')
    .option('--db <n>', "another database than the configuration's");
}

/** The database, and how gently keys are looked for in it. */
export interface Where {
  db?: number | undefined;
  pace?: Partial<PaceOptions>;
}

export function whereOf({ db, ...pace }: { db?: string } & PaceFlags): Where {
  return { db: db === undefined ? undefined : parseCount(db, '--db', 0), pace: paceOf(pace) };
}

/** The named Redis, or all of the configuration. */
export function targetsOf(config: Config, { target }: TargetFlags): RedisTarget[] {
  return selectRedis(config, target === undefined ? [] : [target]);
}

/** The one Redis that is to be changed: of several it must be named. */
export function oneTarget(config: Config, name: string | undefined, flag: string): RedisTarget {
  const [first, ...others] = selectRedis(config, name === undefined ? [] : [name]);
  if (first && others.length === 0) return first;
  throw new CacheOpsError(
    'usage',
    `which Redis? There are ${Object.keys(config.redis).join(', ')}`,
    `say which: ${flag}`,
  );
}

/** Opens the masters of a Redis with the command's limits. */
export function atTarget<T>(
  context: Context,
  target: RedisTarget,
  where: Where,
  work: (masters: Masters) => Promise<T>,
): Promise<T> {
  const { settings, signal } = context;
  return withMasters(target, { timeout: settings.timeout, signal, ...where }, work);
}

/** What is to be looked for: a glob, or the one key that a pattern without wildcards means. */
export function wantedBy(pattern: string): { match?: string; key?: string } {
  return hasWildcard(pattern) ? { match: toBytes(pattern) } : { key: toBytes(literalOf(pattern)) };
}

/** Where keys that were found are, in every result. */
export const place = z.object({ target: z.string(), db: z.number() });

/** `key`, and its bytes in base64 where they are not UTF-8. */
export const keyName = z.object({ key: z.string(), key_base64: z.optional(z.string()) });

/** A key's name in a table; the empty one is seen. */
export function keyCell(key: string): Figure {
  return { value: key, text: key === '' ? '""' : key };
}

/** What `list` finds in each of the targets, one after the other, with where it is. */
export async function fromTargets<T extends object>(
  context: Context,
  flags: TargetFlags,
  list: (masters: Masters, prefix: string) => Promise<T[]>,
): Promise<(T & { target: string })[]> {
  const config = await context.config();
  const prefix = toBytes(applicationPrefix(config));
  const found: (T & { target: string })[] = [];
  for (const target of targetsOf(config, flags)) {
    const some = await atTarget(context, target, whereOf(flags), (masters) =>
      list(masters, prefix),
    );
    found.push(...some.map((one) => ({ ...one, target: target.name })));
  }
  return found;
}
