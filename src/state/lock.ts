import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { codeOf } from '../errors.js';
import { createDurably, makeFolder, namesIn, readJson, stateWrite } from './folder.js';
import { type Identity, isAlive } from './identity.js';

const holderSchema = z.object({ pid: z.number(), started: z.string() });

/**
 * Makes this process the only one that works in a folder, or returns the living one that does.
 * A lock is a file with the next number, which only one process can create and which counts as long
 * as its process lives: one whose holder was killed holds nobody up.
 */
export function claim(folder: string, self: Identity): { release(): void } | { holder: Identity } {
  makeFolder(folder);
  for (;;) {
    const last = lastNumber(folder);
    const file = join(folder, `lock.${last}`);
    const holder = holderSchema.safeParse(readJson(file)).data;
    if (holder && isAlive(holder)) return { holder };
    // Its holder has let go since the folder was read.
    if (last > 0 && !holder && !existsSync(file)) continue;
    const own = join(folder, `lock.${last + 1}`);
    try {
      stateWrite(own, () => createDurably(own, JSON.stringify(self)));
    } catch (error) {
      if (codeOf(error) === 'EEXIST') continue;
      throw error;
    }
    return { release: () => release(folder, last + 1) };
  }
}

/** The living process that works in a folder, if there is one. */
export function holderOf(folder: string): Identity | undefined {
  const last = lastNumber(folder);
  const holder = holderSchema.safeParse(readJson(join(folder, `lock.${last}`))).data;
  return holder && isAlive(holder) ? holder : undefined;
}

function release(folder: string, number: number): void {
  // Numbers below are of dead holders. The highest goes last: it is what keeps others out.
  for (let below = 1; below <= number; below += 1) {
    rmSync(join(folder, `lock.${below}`), { force: true });
  }
}

function lastNumber(folder: string): number {
  const numbers = namesIn(folder).map((name) => Number(/^lock\.(\d+)$/.exec(name)?.[1] ?? 0));
  return Math.max(0, ...numbers);
}
