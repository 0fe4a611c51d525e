import { randomUUID } from 'node:crypto';
import {
  type Answer,
  type Application,
  deleteKey,
  readHealth,
  readKey,
  writeKey,
} from '../applications/client.js';
import {
  type Check,
  CLEAN_UP_LIMIT,
  type Run,
  runCheck,
  type Subject,
  skipCheck,
  unlessAborted,
} from './check.js';

/** An application, and the name of the Redis that it shares with others; undefined when it is unknown. */
export interface Instance {
  application: Application;
  shares: string | undefined;
}

/** Whether an application answers at all; asked once, awaited by all who want to read through it. */
interface Visit extends Instance {
  of: Subject;
  health: Promise<Check>;
  answers: Promise<boolean>;
}

/** Asks every application for its mode, and has each write what the others read. */
export async function checkApplications(
  instances: readonly Instance[],
  run: Run,
): Promise<Check[][]> {
  const visits = instances.map((instance) => visit(instance, run));
  const results = await Promise.allSettled(
    visits.map(async (writer) => {
      // In this order: an interruption rejects the health at once, the values after their removal.
      const values = await checkValues(writer, readersOf(writer, visits, run), run);
      return [await writer.health, ...values];
    }),
  );
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

function visit(instance: Instance, run: Run): Visit {
  const { application } = instance;
  const of: Subject = { subject: application.name, kind: 'application' };
  let answered = false;
  const health = runCheck(of, 'mode', run, async (signal) => {
    const { ok, mode, status, error } = await readHealth(application, {
      timeout: run.timeout,
      signal,
    });
    answered = status !== undefined;
    if (!ok) throw new Error(error);
    if (mode !== run.expectMode)
      throw new Error(`the health says ${mode} mode, expected ${run.expectMode}`);
    return mode;
  });
  return {
    ...instance,
    of,
    health,
    answers: health.then(
      () => answered,
      () => false,
    ),
  };
}

/**
 * Who has to see what this one writes: all others on the same Redis; itself when there is no other.
 * In memory mode every instance has a cache of its own.
 */
function readersOf(writer: Visit, visits: readonly Visit[], run: Run): Visit[] {
  const others = visits.filter(
    (other) =>
      other !== writer &&
      writer.shares !== undefined &&
      other.shares === writer.shares &&
      other.application.config.probe !== undefined,
  );
  return run.expectMode === 'memory' || others.length === 0 ? [writer] : others;
}

async function checkValues(writer: Visit, readers: Visit[], run: Run): Promise<Check[]> {
  const { application, of } = writer;
  const { name, config } = application;
  const reads = readers.map((reader) => ({
    reader,
    check: reader === writer ? 'read-back' : `read-through ${reader.application.name}`,
  }));
  const skipped = (reason: string) =>
    ['write', ...reads.map(({ check }) => check)].map((check) => skipCheck(of, check, run, reason));
  if (!config.probe) return [skipCheck(of, 'write', run, `applications.${name}.probe is not set`)];
  if (!(await writer.answers)) return skipped('not connected');
  // No colons: ASP.NET refuses them in a path ("potentially dangerous Request.Path value").
  const key = `cache-ops-smoke-${run.id}-${name}`;
  // Not the key nor part of it: an answer that merely repeats the key must not pass for the value.
  const value = randomUUID();
  // Without the signal: a request that is cut off may still be carried out, after the removal.
  const writing = writeKey(application, key, value, { timeout: run.timeout });
  try {
    const written = await runCheck(of, 'write', run, async () => demand(await writing));
    const results = reads.map(async ({ reader, check }) => {
      if (written.status === 'failed') return skipCheck(of, check, run, 'not written');
      if (!(await reader.answers))
        return skipCheck(of, check, run, `${reader.application.name} is not connected`);
      return runCheck(of, check, run, async (signal) =>
        demand(await readKey(reader.application, key, value, { timeout: run.timeout, signal })),
      );
    });
    return [written, ...(await Promise.all(results))];
  } finally {
    await remove(application, key, writing, run);
  }
}

function demand({ ok, error }: Answer): undefined {
  if (!ok) throw new Error(error);
}

/** Removes the value once its write has ended, through the application that has written it. */
async function remove(
  application: Application,
  key: string,
  writing: Promise<Answer>,
  run: Run,
): Promise<void> {
  const limit = AbortSignal.timeout(CLEAN_UP_LIMIT / 2);
  const written = await unlessAborted(limit, writing).catch(() => undefined);
  // Refused by the application itself: there is nothing to remove.
  if (written && !written.ok && written.status !== undefined && written.status < 500) return;
  const removed = await deleteKey(application, key, { timeout: CLEAN_UP_LIMIT / 2 });
  const reason = removed
    ? removed.error
    : `applications.${application.name}.probe.delete is not set`;
  if (removed?.ok || removed?.status === 404) return;
  run.onLeftover({
    subject: application.name,
    kind: 'application',
    key,
    reason: reason ?? 'not removed',
  });
}
