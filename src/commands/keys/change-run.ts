import type { Config } from '../../config/load.js';
import { parseCount } from '../../config/units.js';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import { applyChosen } from '../../keys/bulk/apply.js';
import { openChosen } from '../../keys/bulk/chosen.js';
import { type Journal, readJournal } from '../../keys/bulk/journal.js';
import {
  type ChangeRecord,
  changeFolder,
  findOpen,
  finish,
  type KeyAction,
  noCounts,
  pruneChanges,
  storeRecord,
} from '../../keys/bulk/store.js';
import { openWrite } from '../../keys/bulk/write.js';
import { say } from '../../output/emit.js';
import { startProgress } from '../../output/progress.js';
import { type Consent, consent } from '../../prompt.js';
import { describe, type RedisTarget, redisTarget } from '../../redis/target.js';
import { claimChange, forget, newId } from '../../state/changes.js';
import { countText } from '../../words.js';
import type { Change } from './change.js';
import { report, resumeCommand } from './change-report.js';
import { atTarget } from './targets.js';

export interface How extends Consent {
  /** Keys a second. */
  rate?: number | undefined;
}

/** Chooses the keys, asks, and changes them; reports as it goes and sets the exit code. */
export async function changeKeys(context: Context, change: Change, how: How): Promise<void> {
  const { state, now } = context;
  pruneChanges(state, now());
  const id = newId(change.action, now());
  const lock = claimChange(changeFolder(state, id), id, context.host.pid);
  let stored = false;
  try {
    const record = await choose(context, change, id, how);
    if (record.total > 0) {
      await consent(context, question(record), record.target, how);
      storeRecord(state, record);
      stored = true;
    }
    await work(context, record, change.target, how);
  } finally {
    lock.release();
    if (!stored) forget(changeFolder(state, id));
  }
}

/**
 * Goes on with a change that was interrupted: the one that --resume names, or the newest of this
 * action. `given` is the Redis where it is none of the configuration.
 */
export async function resumeChange(
  context: Context,
  action: KeyAction,
  { resume, rate }: { resume?: string | true; rate?: string },
  given: string | undefined,
): Promise<void> {
  const named = typeof resume === 'string' ? resume : undefined;
  const { id } = findOpen(context.state, action, named);
  const lock = claimChange(changeFolder(context.state, id), id, context.host.pid);
  try {
    // It may have been finished by the process that had it until now.
    const record = findOpen(context.state, action, id);
    const target = sameTarget(await context.config(), record, given);
    const how = rate === undefined ? {} : { rate: parseCount(rate, '--rate') };
    await work(context, record, target, how);
  } finally {
    lock.release();
  }
}

/** Another Redis under the same name has other keys of the same names. */
function sameTarget(
  config: Config,
  { id, target: name, address, environment }: ChangeRecord,
  given: string | undefined,
): RedisTarget {
  const known = given !== undefined || Object.hasOwn(config.redis, name);
  const target = known ? redisTarget(config, given ?? name) : undefined;
  const same = target?.name === name && describe(target) === address;
  if (target && same && config.environment === environment) return target;
  throw new CacheOpsError(
    'refused',
    `${id} was begun on another estate: ${environment}, ${name} at ${address}`,
    known
      ? 'use the configuration that it was begun with'
      : 'name the Redis again, as a redis:// URL',
  );
}

async function choose(
  context: Context,
  { action, target, where, what, select, guard }: Change,
  id: string,
  { rate }: How,
): Promise<ChangeRecord> {
  const { state, signal } = context;
  const progress = await startProgress(context, 'Choosing keys');
  try {
    return await atTarget(context, target, where, async (masters) => {
      // A missing right shows here, before anything is changed.
      await openWrite(masters, action);
      const nodes = masters.nodes.map(({ address }) => address);
      let total = 0;
      const file = openChosen(changeFolder(state, id));
      try {
        const selection = await select(masters, { sizes: false, signal }, (master, keys) => {
          const node = nodes.indexOf(master.address);
          file.write(keys.map(({ key, ttl_ms }) => [node, key, ttl_ms]));
          total += keys.length;
          progress.say(`Choosing keys: ${countText(total)} so far`);
        });
        signal.throwIfAborted();
        guard(selection);
        if (selection.slots_moved)
          say(
            context,
            'slots of the cluster moved meanwhile: run it again for keys that it missed',
          );
        await file.sync();
        const { environment } = await context.config();
        return {
          id,
          action,
          what,
          target: target.name,
          address: describe(target),
          db: masters.db,
          environment,
          nodes,
          total,
          unreadable: selection.unreadable,
          rate: rate ?? null,
          began_at: new Date(context.now()).toISOString(),
          ended_at: null,
          counts: noCounts(),
        };
      } finally {
        file.close();
      }
    });
  } finally {
    progress.stop();
  }
}

function question({ action, total, target, what, environment }: ChangeRecord): string {
  const keys = `${countText(total)} ${total === 1 ? 'key' : 'keys'}`;
  return action === 'rm'
    ? `Remove ${keys} of ${target}, ${what}, in ${environment}? They cannot be brought back.`
    : `Set the TTL of ${keys} of ${target}, ${what}, in ${environment}?`;
}

/** Changes what is left of it. */
async function work(
  context: Context,
  record: ChangeRecord,
  target: RedisTarget,
  how: How,
): Promise<void> {
  const { state, signal } = context;
  const folder = changeFolder(state, record.id);
  const out = await report(context, record);
  const rate = how.rate ?? record.rate ?? undefined;
  try {
    if (record.total > 0) {
      const journal = await readJournal(folder, 0);
      out.start(journal.position);
      const db = target.kind === 'cluster' ? undefined : record.db;
      await atTarget(context, target, { db }, async (masters) => {
        const write = await openWrite(masters, record.action);
        const { nodes } = record;
        for await (const step of applyChosen({
          folder,
          masters,
          write,
          nodes,
          journal,
          rate,
          signal,
        })) {
          await out.step(step);
        }
      });
    }
    const journal = await readJournal(folder, out.shown);
    const finished = journal.position === record.total;
    if (finished && record.total > 0) {
      const ended_at = new Date(context.now()).toISOString();
      finish(state, { ...record, counts: journal.counts, ended_at });
    }
    await out.end(journal, finished ? 'finished' : 'interrupted');
    if (finished && isPartial(record, journal)) context.exitCode = ExitCode.partial;
  } catch (error) {
    await out.end(await readJournal(folder, out.shown), 'failed');
    throw resumable(error, record);
  }
}

/** A key that is gone, or that has a TTL by now, is as it was to be: only what was refused is not done. */
function isPartial({ unreadable }: ChangeRecord, { counts }: Journal): boolean {
  return counts.refused > 0 || unreadable > 0;
}

function resumable(error: unknown, record: ChangeRecord): unknown {
  if (!(error instanceof CacheOpsError)) return error;
  // Another state folder, which is the hint for a full disk, would not know of the change.
  const before = error.hint && error.code !== 'state' ? `${error.hint}; then ` : '';
  return new CacheOpsError(
    error.code,
    error.message,
    `${before}go on with: ${resumeCommand(record)}`,
  );
}
