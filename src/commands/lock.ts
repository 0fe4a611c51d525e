import type { Command } from 'commander';
import * as z from 'zod/mini';
import type { Context } from '../context.js';
import { CacheOpsError, ExitCode } from '../errors.js';
import { toBytes } from '../keys/names.js';
import { applicationPrefix } from '../keys/prefix.js';
import { type LockFacts, listLocks, releaseLock } from '../locks/locks.js';
import type { Block } from '../output/blocks.js';
import { emit } from '../output/emit.js';
import { ms } from '../output/format.js';
import { type Consent, consent } from '../prompt.js';
import type { RedisTarget } from '../redis/target.js';
import { audited } from './audited.js';
import {
  addTarget,
  atTarget,
  fromTargets,
  oneTarget,
  type TargetFlags,
  whereOf,
} from './keys/targets.js';

export function register(command: Command, context: Context): void {
  command.addHelpText(
    'after',
    `
Locks are the keys under {prefix}:{env}:lock: that hold a token, or JSON with token, owner,
fence and since.

Examples:
  $ cache-ops lock ls                             who holds what, since when, for how long yet
  $ cache-ops lock show execution:review-42
  $ cache-ops lock release execution:review-42    asks, and compares the token`,
  );
  registerLs(command, context);
  registerShow(command, context);
  registerRelease(command, context);
}

const lockLine = z.object({
  target: z.string(),
  name: z.string(),
  owner: z.nullable(z.string()),
  token: z.string(),
  fence: z.nullable(z.number()),
  held_since: z.nullable(z.string()),
  /** Milliseconds. */
  age_ms: z.nullable(z.number()),
  /** Null: it never lapses. */
  ttl_ms: z.nullable(z.number()),
});
const lockList = z.object({ locks: z.array(lockLine) });
type LockList = z.infer<typeof lockList>;

function registerLs(topic: Command, context: Context): void {
  const command = topic.command('ls').description('every lock: owner, token, age, remaining time');
  addTarget(command).action(async (flags: TargetFlags) => {
    const found = await findAll(context, flags);
    await emit(context, listOf(context, found), render);
  });
}

function registerShow(topic: Command, context: Context): void {
  const command = topic.command('show').description('one lock').argument('<name>');
  addTarget(command).action(async (name: string, flags: TargetFlags) => {
    const found = (await findAll(context, flags)).filter((lock) => lock.name === name);
    if (found.length === 0) throw notFound(name);
    await emit(context, listOf(context, found), render);
  });
}

interface ReleaseFlags extends TargetFlags, Consent {
  dryRun?: boolean;
  token?: string;
}

const releaseResult = z.object({
  target: z.string(),
  name: z.string(),
  result: z.enum(['released', 'gone', 'changed', 'would be released']),
});

function registerRelease(topic: Command, context: Context): void {
  const command = topic
    .command('release')
    .description('takes a lock from its holder, if it is still the one that was seen')
    .argument('<name>');
  addTarget(command)
    .option('--token <token>', 'release it only while it has this token')
    .option('--dry-run', 'say what would be released, and change nothing')
    .option('-y, --yes', 'do not ask')
    .option('--confirm <name>', 'the name of the Redis, for production')
    .addHelpText(
      'after',
      `
Its holder is not told: it may go on until it looks, and what it writes is only refused where
writes carry the fence. Make sure that the process is gone. One that was taken by another since it
was looked at is left alone (exit 4).`,
    )
    .action(async (name: string, flags: ReleaseFlags) => {
      const target = oneTarget(await context.config(), flags.target, '--target');
      const result = await release(context, target, name, flags);
      await emit(context, result, (shown) => [
        {
          table: {
            columns: ['target', 'lock', 'result'],
            rows: [[shown.target, shown.name, shown.result]],
          },
        },
      ]);
      if (result.result === 'changed') context.exitCode = ExitCode.partial;
    });
}

async function release(
  context: Context,
  target: RedisTarget,
  name: string,
  flags: ReleaseFlags,
): Promise<z.infer<typeof releaseResult>> {
  const prefix = toBytes(applicationPrefix(await context.config()));
  return atTarget(context, target, whereOf(flags), async (masters) => {
    const locks = await listLocks(masters, prefix, context.signal);
    const lock = locks.find((one) => one.name === name);
    if (!lock) throw notFound(name);
    if (flags.token !== undefined && flags.token !== lock.token)
      throw new CacheOpsError(
        'refused',
        `the lock ${name} has another token`,
        'somebody else has taken it since: look again with lock show',
      );
    const done = (result: z.infer<typeof releaseResult>['result']) =>
      releaseResult.parse({ target: target.name, name, result });
    if (flags.dryRun) return done('would be released');
    const holder = `${lock.owner ?? 'unknown'}, token ${lock.token}`;
    await consent(context, `Release ${name}, held by ${holder}?`, target.name, flags);
    const result = await releaseLock(masters, lock);
    audited(context, { action: 'lock release', target: `${target.name} ${name}`, result });
    return done(result);
  });
}

const findAll = (context: Context, flags: TargetFlags) =>
  fromTargets(context, flags, (masters, prefix) => listLocks(masters, prefix, context.signal));

function listOf(context: Context, locks: readonly (LockFacts & { target: string })[]): LockList {
  return lockList.parse({
    locks: locks.map((lock) => ({
      ...lock,
      age_ms: lock.held_since === null ? null : context.now() - Date.parse(lock.held_since),
    })),
  });
}

function render({ locks }: LockList): Block[] {
  const forever = locks.filter(({ ttl_ms }) => ttl_ms === null);
  return [
    {
      table: {
        columns: ['target', 'lock', 'owner', 'token', 'fence', 'age', 'left'],
        optional: ['target', 'fence', 'token'],
        rows: locks.map((lock) => [
          lock.target,
          lock.name,
          lock.owner,
          lock.token,
          lock.fence,
          ms(lock.age_ms),
          lock.ttl_ms === null
            ? { value: null, text: 'for ever', tone: 'critical' }
            : ms(lock.ttl_ms),
        ]),
      },
    },
    ...forever.map(
      ({ name }): Block => ({
        note: `${name} never lapses: when its holder dies, nobody else gets it.`,
        tone: 'warn',
      }),
    ),
    { note: `${locks.length} ${locks.length === 1 ? 'lock' : 'locks'}` },
  ];
}

const notFound = (name: string) =>
  new CacheOpsError('not_found', `no lock is named "${name}"`, 'all of them: cache-ops lock ls');
