import { existsSync, linkSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod/mini';
import { CacheOpsError, codeOf } from '../errors.js';
import type { Host } from '../io.js';
import { makeFolder, namesIn, readJson, stateWrite } from '../state/folder.js';
import { identify, isAlive } from '../state/identity.js';

const holderSchema = z.object({
  pid: z.number(),
  started: z.string(),
  command: z.enum(['up', 'down']),
});
/** Who is bringing the sandbox up or down. */
export type Holder = z.infer<typeof holderSchema>;

export interface Lock {
  /** Lets the next one in, and removes the folder when nothing else is in it. */
  release(): void;
}

/** Longest wait for another `up` or `down`, in ms. */
const LIMIT = 30_000;

/**
 * Waits until this process alone may change the sandbox of `folder`. A lock is a file with the next
 * number, which only one process can create and which counts as long as its process lives: one
 * whose holder was killed holds nobody up. `onBusy` hears of a living holder while it waits.
 */
export async function lock(
  folder: string,
  command: Holder['command'],
  {
    host,
    signal,
    onBusy = () => {},
  }: { host: Host; signal: AbortSignal; onBusy?: (holder: Holder) => void },
): Promise<Lock> {
  const self = identify(host.pid);
  if (!self) throw new Error('this process cannot be identified');
  const deadline = performance.now() + LIMIT;
  for (;;) {
    signal.throwIfAborted();
    makeFolder(folder);
    const last = lastNumber(folder);
    const holder = last > 0 ? holderOf(folder, last) : undefined;
    const living = holder && isAlive(holder);
    // A number whose file has gone since: its holder has let go, so look again. (One without a
    // name in it is what a power cut left.)
    const released = last > 0 && !holder && !existsSync(join(folder, `lock.${last}`));
    if (!living && !released && create(folder, last + 1, { ...self, command })) {
      return held(folder, last + 1);
    }
    if (living) onBusy(holder);
    if (performance.now() > deadline) {
      throw new CacheOpsError(
        'refused',
        `another command (${holder?.command}, process ${holder?.pid}) has been changing the sandbox for ${LIMIT / 1_000} s`,
        'cache-ops sandbox status',
      );
    }
    await sleep(living ? 25 : 1, undefined, { signal });
  }
}

/** The living process that is changing the sandbox, if there is one. */
export function holderNow(folder: string): Holder | undefined {
  const last = lastNumber(folder);
  const holder = last > 0 ? holderOf(folder, last) : undefined;
  return holder && isAlive(holder) ? holder : undefined;
}

/** Whether a name in the folder belongs to the lock. */
export function isLock(name: string): boolean {
  return name.startsWith('lock.');
}

function create(folder: string, number: number, holder: Holder): boolean {
  const draft = join(folder, `lock.draft-${holder.pid}`);
  return stateWrite(folder, () => {
    try {
      // Linked and not written in place: a lock must never be seen without its holder's name.
      writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 });
      linkSync(draft, join(folder, `lock.${number}`));
      return true;
    } catch (error) {
      // Another one was quicker, or has just removed the folder.
      if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return false;
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  });
}

function held(folder: string, number: number): Lock {
  return {
    release() {
      // Numbers below ours are of dead holders. Ours goes last, as it is what keeps others out.
      for (const name of namesIn(folder).filter(isLock)) {
        if (name !== `lock.${number}`) rmSync(join(folder, name), { force: true });
      }
      rmSync(join(folder, `lock.${number}`), { force: true });
      try {
        rmdirSync(folder);
      } catch (error) {
        // A sandbox is in it, or the lock of the next one, who makes it anew when it is gone.
        if (!/^(ENOTEMPTY|EEXIST|ENOENT)$/.test(codeOf(error) ?? '')) throw error;
      }
    },
  };
}

function lastNumber(folder: string): number {
  return Math.max(
    0,
    ...namesIn(folder)
      .map((name) => Number(/^lock\.(\d+)$/.exec(name)?.[1]))
      .filter((number) => !Number.isNaN(number)),
  );
}

function holderOf(folder: string, number: number): Holder | undefined {
  return holderSchema.safeParse(readJson(join(folder, `lock.${number}`))).data;
}
