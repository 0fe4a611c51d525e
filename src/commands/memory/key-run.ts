import { parseCount, parseDuration } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode, messageOf } from '../../errors.js';
import { inspectKey, type KeyLook } from '../../memory/key.js';
import { type KeyMemory, type KeyResult, keyResult } from '../../memory/key-result.js';
import { SAMPLES } from '../../memory/sizes.js';
import { emit } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { bytesOf, shown } from '../../redis/bytes.js';
import type { Limits } from '../../redis/channel.js';
import { openOwner } from '../../redis/owner.js';
import { type RedisTarget, selectRedis } from '../../redis/target.js';
import type { KeyFlags } from './key.js';
import { renderKey, renderKeyLines } from './render-key.js';

/** `memory key`, when its flags are known. */
export async function runKey(context: Context, key: string, flags: KeyFlags): Promise<void> {
  const look = {
    key: flags.base64 ? fromBase64(key) : bytesOf(key),
    samples: flags.exact ? 0 : SAMPLES,
    walk: {
      elements: parseCount(flags.limit, '--limit', 0),
      ms: parseDuration(flags.within, '--within'),
      top: parseCount(flags.top, '--top', 0),
    },
    content: flags.content,
  };
  const db = flags.db === undefined ? undefined : parseCount(flags.db, '--db', 0);
  const targets = flags.target === undefined ? [] : [flags.target];
  const result = await memoryKey(context, { targets, db, look });
  await emit(context, result, context.stdout.isTTY ? renderKey : renderKeyLines);
  if (result.problems.length > 0) context.exitCode = ExitCode.partial;
}

function fromBase64(text: string): string {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, ''))
    return bytes.toString('latin1');
  throw new CacheOpsError('usage', `"${text}" is not base64`);
}

interface KeyRequest {
  targets: readonly string[];
  db: number | undefined;
  look: Omit<KeyLook, 'now' | 'signal'>;
}

/** The key on every target that has it. Throws `not_found` where none has, `connect` where it is not known. */
async function memoryKey(context: Context, { targets, db, look }: KeyRequest): Promise<KeyResult> {
  const chosen = selectRedis(await context.config(), targets).map((target) => inDb(target, db));
  const { text, base64 } = shown(look.key);
  const progress = await startProgress(context, `Looking at ${text}`);
  try {
    const answers = await Promise.all(chosen.map((target) => ask(context, target, look)));
    const found = answers.flatMap((answer) => answer.found ?? []);
    const failures = answers.flatMap((answer) => answer.failure ?? []);
    if (found.length === 0) throw failures[0]?.error ?? notFound(text, chosen);
    const problems = failures.map(({ target, error }) => ({ target, reason: messageOf(error) }));
    return keyResult.parse({ key: text, ...(base64 && { key_base64: base64 }), found, problems });
  } finally {
    progress.stop();
  }
}

async function ask(
  { settings, signal, now }: Context,
  target: RedisTarget,
  look: KeyRequest['look'],
): Promise<{
  found?: KeyMemory | undefined;
  failure?: { target: string; error: CacheOpsError };
}> {
  const limits: Limits = { timeout: settings.timeout, signal };
  try {
    const { channel, address } = await openOwner(target, look.key, limits);
    try {
      const facts = await inspectKey(channel, { ...look, now: now(), signal });
      const { db = 0 } = target.nodeAccess;
      return { found: facts && { target: target.name, address, db, ...facts } };
    } finally {
      channel.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CacheOpsError) return { failure: { target: target.name, error } };
    // A connection that broke, or hangs, in the middle.
    const broken = new CacheOpsError('connect', `${target.name}: ${messageOf(error)}`);
    return { failure: { target: target.name, error: broken } };
  }
}

function inDb(target: RedisTarget, db: number | undefined): RedisTarget {
  if (db === undefined) return target;
  return {
    ...target,
    // Sentinels have no databases.
    seeds:
      target.kind === 'sentinel' ? target.seeds : target.seeds.map((seed) => ({ ...seed, db })),
    nodeAccess: { ...target.nodeAccess, db },
  };
}

function notFound(key: string, targets: readonly RedisTarget[]): CacheOpsError {
  const where = targets.map(({ name, nodeAccess: { db = 0 } }) => `${name} (database ${db})`);
  const colon = key.lastIndexOf(':');
  const pattern = colon > 0 ? `${key.slice(0, colon)}:*` : `*${key}*`;
  return new CacheOpsError(
    'not_found',
    `there is no key "${key}" on ${where.join(', ')}`,
    `those that are like it: cache-ops keys ls '${pattern.replaceAll("'", "'\\''")}'`,
  );
}
