import type { Command } from 'commander';
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
import { renderKey, renderKeyLines } from './render-key.js';

interface Flags {
  target?: string;
  db?: string;
  base64?: boolean;
  exact?: boolean;
  limit: string;
  within: string;
  top: string;
  content: boolean;
}

export function registerKey(topic: Command, context: Context): void {
  topic
    .command('key')
    .description('one key in depth: encoding, memory, time to live, its largest elements')
    .argument('<key>', 'its name')
    .option('-t, --target <target>', 'the Redis that has it (default: all are asked)')
    .option('--db <n>', 'in this database instead of the one that is configured')
    .option('--base64', 'the key is given as base64, as key_base64 of a report has it')
    .option('--exact', 'memory by all elements, not by a sample: 200,000 hold the server for 20 ms')
    .option('-n, --limit <n>', 'look at so many elements at most; 0: all', '100000')
    .option('--within <duration>', 'and for so long at most', '5s')
    .option('--top <n>', 'name so many of the largest elements', '10')
    .option('--no-content', 'show no values')
    .addHelpText(
      'after',
      `
Reads only, in small steps. Memory is by MEMORY USAGE with ${SAMPLES} samples; elements are walked with
HSCAN, SSCAN, ZSCAN, LRANGE or XRANGE, and it is said when not all of them were. On a cluster the
owner of the key's slot is asked. Idle time, frequency and memory are read first, as that does not
count as an access. Reading the elements does, before Redis 7.2: the idle time then starts anew,
and "touched" says so.

In a pipe each line begins with what it is: field, element, size (of a histogram) or content.
A key that is no valid UTF-8 is given with --base64. For one with a line break or a tab the shell
has a way to write it: $'a\\nb'.
Exit 2 when there is no such key; 4 when it was found, but a target could not be asked; 5 when
it was not found and one could not.

Examples:
  $ cache-ops memory key asl:llm:5f2a
  $ cache-ops memory key bull:mail:events --target main --top 20
  $ cache-ops memory key --base64 /wD+ --json | jq '.found[].bytes'`,
    )
    .action(async (key: string, flags: Flags) => {
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
    });
}

function fromBase64(text: string): string {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, ''))
    return bytes.toString('latin1');
  throw new CacheOpsError('usage', `"${text}" is not base64`);
}

export interface KeyRequest {
  targets: readonly string[];
  db: number | undefined;
  look: Omit<KeyLook, 'now' | 'signal'>;
}

/** The key on every target that has it. Throws `not_found` where none has, `connect` where it is not known. */
export async function memoryKey(
  context: Context,
  { targets, db, look }: KeyRequest,
): Promise<KeyResult> {
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
