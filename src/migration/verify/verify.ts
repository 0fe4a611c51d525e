import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Rules } from '../judge.js';
import { TTL } from '../kinds.js';
import { makePlan } from '../plan/make.js';
import type { Plan } from '../plan/store.js';
import type { Source } from '../sources/source.js';
import { type Comparing, compareAll, type Difference, type Verdict } from './compare.js';
import { KnownKeys } from './known.js';

export interface Verifying extends Omit<Comparing, 'shape' | 'longest_ms' | 'ttl' | 'isGone'> {
  plan: Plan;
  source: Source;
  /** What has changed in the source since it was read last: only that is compared. */
  changes?: Source | undefined;
  rules: Rules;
  onProgress(said: { reading: number } | { compared: number }): void;
  onDifference(difference: Difference & { appeared: boolean }): void;
}

export interface Verified {
  /**
   * unchanged and changed: by a hash over the file; read: whatever it says now was compared; followed: only
   * what has changed since; unread: it can be read only once, so the plan stands for it.
   */
  source: 'unchanged' | 'changed' | 'read' | 'followed' | 'unread';
  counts: Map<Verdict, number>;
  /** Entries of the source that the plan does not know. */
  appeared: number;
  /** Entries of the source that cannot be moved, by now. */
  bad: number;
}

/**
 * Reads both sides again and compares every entry. A source that is to the byte what was planned is not
 * taken apart again; of one that has changed, each entry as it is now is held against the target.
 */
export async function verifyPlan(verifying: Verifying): Promise<Verified> {
  const { folder, plan, source, changes, limits } = verifying;
  const result: Verified = { source: 'unread', counts: new Map(), appeared: 0, bad: 0 };
  if (!source.again) {
    await collect(verifying, folder, result);
    return result;
  }
  const { fingerprint } = plan.source;
  if (!changes && fingerprint && (await source.sum?.(limits.signal)) === fingerprint) {
    result.source = 'unchanged';
    await collect(verifying, folder, result);
    return result;
  }
  result.source = changes ? 'followed' : fingerprint ? 'changed' : 'read';
  // Another verification may be under way.
  const fresh = join(folder, `now.${crypto.randomUUID()}`);
  mkdirSync(fresh, { mode: 0o700 });
  try {
    const made = await makePlan({
      ...verifying,
      source: changes ?? source,
      folder: fresh,
      masters: undefined,
      ahead_ms: verifying.state.ahead_ms,
      onBad: () => {},
      onProgress: (reading) => verifying.onProgress({ reading }),
    });
    result.bad = made.bad;
    const sides = { now: new KnownKeys(fresh), planned: new KnownKeys(folder) };
    result.appeared = sides.now.notIn(sides.planned);
    await collect(verifying, fresh, result, { ...sides, pass: 'now' });
    if (!changes) await collect(verifying, folder, result, { ...sides, pass: 'planned' });
    return result;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/**
 * Where the source was read again: the keys that it has now and those of the plan, and whose entries are
 * compared. First those of now, which marks the keys whose entries are not equal; then the planned ones.
 */
interface Sides {
  now: KnownKeys;
  planned: KnownKeys;
  pass: 'now' | 'planned';
}

async function collect(
  verifying: Verifying,
  folder: string,
  result: Verified,
  sides?: Sides,
): Promise<void> {
  const { kind } = verifying.plan;
  const now = sides?.pass === 'now' ? sides : undefined;
  const planned = sides?.pass === 'planned' ? sides : undefined;
  const comparing: Comparing = {
    ...verifying,
    folder,
    shape: verifying.rules.shape,
    longest_ms: kind === 'keys' ? Number.POSITIVE_INFINITY : TTL[kind as 'tasks'].most,
    ttl: now === undefined,
    ...(planned && { isGone: (key: string) => !planned.now.has(key) }),
  };
  const add = (verdict: Verdict, count: number) =>
    result.counts.set(verdict, (result.counts.get(verdict) ?? 0) + count);
  for await (const compared of compareAll(comparing)) {
    // Both passes find the entries equal that are in both: they are counted in the first.
    if (!planned) add('equal', compared.counts.get('equal') ?? 0);
    for (const difference of compared.differences) {
      const { key, verdict } = difference;
      now?.now.mark(key);
      if (planned?.now.has(key)) {
        // Of what the source still has, what it has now counts; where that is equal, the planned expiry too.
        if (verdict !== 'ttl_off' || planned.now.isMarked(key)) continue;
        add('equal', -1);
      }
      add(verdict, 1);
      const appeared = now !== undefined && !now.planned.has(key);
      verifying.onDifference({ ...difference, appeared });
    }
    verifying.onProgress({ compared: compared.position });
  }
}
