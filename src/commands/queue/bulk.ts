import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import { startProgress } from '../../output/progress.js';
import { type Consent, consent } from '../../prompt.js';
import { applyChosen } from '../../queues/bulk/apply.js';
import type { Place, Selection } from '../../queues/bulk/choose.js';
import { blastRadius } from '../../queues/bulk/impact.js';
import { readJournal } from '../../queues/bulk/journal.js';
import { chooseInto, findOpen, finish, placesOf } from '../../queues/bulk/prepare.js';
import {
  type Action,
  type OperationRecord,
  operationFolder,
  pruneOperations,
  storeRecord,
} from '../../queues/bulk/store.js';
import { withEngines } from '../../queues/engines.js';
import type { Operation } from '../../queues/operation.js';
import { claimChange, forget, newId } from '../../state/changes.js';
import { countText } from '../../words.js';
import { addressesOf } from './addresses.js';
import { question, targetOf } from './bulk-question.js';
import { report, resumeCommand } from './bulk-report.js';
import { type ImpactResult, impactResult } from './bulk-result.js';
import { resumable } from './lost.js';

/** Jobs that are to be changed. */
export interface Change {
  action: Action;
  operation: Operation;
  selection: Selection;
  /** The selection in words. */
  what: string;
  /** Ids that are in no queue. */
  missing: readonly string[];
}

export interface How extends Consent {
  /** Jobs a second. */
  rate?: number | undefined;
}

/** What the change would do. Reads only. */
export async function preview(context: Context, change: Change): Promise<ImpactResult> {
  const { action, operation, selection, what, missing } = change;
  const progress = await startProgress(context, 'Looking at the jobs');
  try {
    const radius = await blastRadius(selection, operation, context.signal);
    const ids = selection.filter.ids ?? [];
    const queues = radius.queues.map(async (queue) => {
      const place = selection.places.find(({ ref }) => sameQueue(ref, queue));
      return { ...queue, read_only: (await place?.engine.readOnlyBecause(queue)) ?? null };
    });
    return impactResult.parse({
      action,
      what,
      jobs: radius.queues.reduce((sum, { jobs }) => sum + jobs, 0),
      queues: await Promise.all(queues),
      missing: [...missing, ...ids.filter((id) => !radius.found.has(id))],
      unreadable: radius.unreadable,
    });
  } finally {
    progress.stop();
  }
}

/** Chooses the jobs, asks, and changes them; reports as it goes and sets the exit code. */
export async function changeJobs(context: Context, change: Change, how: How): Promise<void> {
  const { state, now } = context;
  pruneOperations(state, now());
  const id = newId(change.action, now());
  const lock = claimChange(operationFolder(state, id), `operation ${id}`, context.host.pid);
  let stored = false;
  try {
    const record = await prepare(context, change, id, how);
    if (record.total > 0) {
      await demandWritable(change, record);
      await consent(context, question(record), targetOf(record), how);
      storeRecord(state, record);
      stored = true;
    }
    await work(context, record, change.selection.places, how);
  } finally {
    lock.release();
    if (!stored) forget(operationFolder(state, id));
  }
}

/** Goes on with an operation that was interrupted; the named one, or the newest of this action. */
export async function resumeJobs(
  context: Context,
  action: Action,
  named: string | undefined,
  how: How,
): Promise<void> {
  const { id } = findOpen(context.state, action, named);
  const lock = claimChange(operationFolder(context.state, id), `operation ${id}`, context.host.pid);
  try {
    // It may have been finished by the process that had it until now.
    const record = findOpen(context.state, action, id);
    const config = await context.config();
    if (
      config.environment !== record.environment ||
      JSON.stringify(addressesOf(config, record.queues)) !== JSON.stringify(record.addresses)
    ) {
      throw new CacheOpsError(
        'refused',
        `operation ${id} was begun on another estate: ${record.environment}, ${Object.values(record.addresses).join(', ')}`,
        'use the configuration that it was begun with',
      );
    }
    const { timeout } = context.settings;
    await withEngines(config, { timeout, signal: context.signal }, (engines) =>
      work(context, record, placesOf(record, engines), how),
    );
  } finally {
    lock.release();
  }
}

async function prepare(
  context: Context,
  change: Change,
  id: string,
  { rate }: How,
): Promise<OperationRecord> {
  const { state, signal } = context;
  const { places, filter } = change.selection;
  const progress = await startProgress(context, 'Choosing jobs');
  try {
    const chosen = await chooseInto(operationFolder(state, id), change.selection, {
      signal,
      onPage: (total) => progress.say(`Choosing jobs: ${countText(total)} so far`),
    });
    const config = await context.config();
    const queues = places.map(({ ref }) => ref);
    return {
      id,
      action: change.action,
      operation: change.operation,
      what: change.what,
      queues,
      chosen: chosen.jobs,
      addresses: addressesOf(config, queues),
      environment: config.environment,
      total: chosen.jobs.reduce((sum, jobs) => sum + jobs, 0),
      missing: [...change.missing, ...(filter.ids ?? []).filter((one) => !chosen.found.has(one))],
      unreadable: chosen.unreadable,
      rate: rate ?? null,
      began_at: new Date(context.now()).toISOString(),
      ended_at: null,
      counts: {},
    };
  } finally {
    progress.stop();
  }
}

/** Applies what is left of an operation. */
async function work(
  context: Context,
  record: OperationRecord,
  places: readonly Place[],
  how: How,
): Promise<void> {
  const folder = operationFolder(context.state, record.id);
  const out = await report(context, record);
  const { signal } = context;
  const rate = how.rate ?? record.rate ?? undefined;
  try {
    if (record.total > 0) {
      const journal = await readJournal(folder, 0);
      const { operation } = record;
      out.start(journal.position);
      for await (const step of applyChosen({ folder, operation, places, journal, rate, signal })) {
        await out.step(step);
      }
    }
    const journal = await readJournal(folder, out.shown);
    const finished = journal.position === record.total;
    if (finished && record.total > 0) {
      const ended_at = new Date(context.now()).toISOString();
      finish(context.state, { ...record, counts: journal.groups.counts(), ended_at });
    }
    await out.end(journal, finished ? 'finished' : 'interrupted');
    const clean =
      (journal.groups.counts().done ?? 0) === record.total && record.missing.length === 0;
    if (finished && !clean) context.exitCode = ExitCode.partial;
  } catch (error) {
    await out.end(await readJournal(folder, out.shown), 'failed');
    throw resumable(error, resumeCommand(record), context.settings.timeout);
  }
}

async function demandWritable({ selection }: Change, { chosen }: OperationRecord): Promise<void> {
  for (const [index, { engine, ref }] of selection.places.entries()) {
    const reason = chosen[index] ? await engine.readOnlyBecause(ref) : undefined;
    if (reason) {
      throw new CacheOpsError(
        'refused',
        `${ref.queue} may only be read: ${reason}`,
        'nothing was changed; name other queues with --queue',
      );
    }
  }
}

function sameQueue(a: Place['ref'], b: Place['ref']): boolean {
  return (
    a.engine === b.engine && a.source === b.source && a.scope === b.scope && a.queue === b.queue
  );
}
