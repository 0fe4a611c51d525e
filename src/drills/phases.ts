import { setTimeout as sleep } from 'node:timers/promises';
import { readHealth } from '../applications/client.js';
import { CacheOpsError } from '../errors.js';
import type { Plan, Scene } from './engine.js';
import type { Guard } from './guard.js';
import type { Observer } from './observer.js';
import type { DrillEvent } from './record.js';
import type { Marks } from './verdict.js';
import type { Witness } from './witnesses/witness.js';

export type Tell = (phase: DrillEvent['phase'], message: string) => void;

/** Refuses a drill on an application that is not as it should be already. */
export async function demandSteady(
  { applications, experiment }: Plan,
  limits: { timeout: number },
): Promise<void> {
  for (const application of applications) {
    const answer = await readHealth(application, limits);
    if (answer.mode === experiment.steady) continue;
    throw new CacheOpsError(
      'refused',
      answer.ok
        ? `${application.name} is in ${answer.mode} mode already: the drill could prove nothing`
        : `${application.name} is not healthy before the drill: ${answer.error}`,
      'nothing was broken',
    );
  }
}

/** Breaks the target and keeps it broken until every application has shown what it does. */
export async function breakAndHold(
  { experiment, prepared, timeout }: Plan,
  { signal }: Scene,
  guard: Guard,
  observer: Observer,
  witnesses: readonly Witness[],
  marks: Marks,
  tell: Tell,
): Promise<void> {
  const { limits, degraded, outage, words } = experiment;
  const pause = (ms: number) => sleep(ms, undefined, { signal });
  const demandGuard = () => {
    if (guard.ended === 'gone') throw new Error('the watchdog is gone');
    if (guard.ended) throw new Error('the watchdog ended the drill');
  };
  await pause(limits.settle);
  for (const witness of witnesses)
    await witness.ready?.({ timeout: limits.maxRecover, signal }, (message) =>
      tell('prepare', message),
    );
  demandGuard();
  tell('inject', `${words.breaking} at ${prepared.address}`);
  marks.injected = observer.now;
  await guard.inject();
  signal.throwIfAborted();
  tell('inject', words.broken);
  if (degraded === 'memory') {
    const deadline = observer.now + limits.maxDegrade;
    while (observer.mode() !== degraded && observer.now < deadline) {
      demandGuard();
      await pause(25);
    }
    const took = Math.round(observer.now - marks.injected);
    tell(
      'degrade',
      observer.mode() === degraded
        ? `every application reports ${degraded} mode after ${took} ms`
        : `no ${degraded} mode within ${limits.maxDegrade} ms`,
    );
  }
  const unseen = () => witnesses.some((witness) => witness.sees?.() === false);
  const patience = marks.injected + limits.maxDegrade;
  while (unseen() && observer.now < patience) {
    demandGuard();
    await pause(25);
  }
  tell('hold', `writing and reading through the applications for ${limits.hold} ms`);
  const held = observer.now;
  const until = held + limits.hold;
  // A hold that is shorter than one request, or one ping, would prove nothing.
  const unproven = () => !observer.hasServed(held) || (outage && !observer.sawOutage);
  while (observer.now < until || (unproven() && observer.now < until + timeout)) {
    demandGuard();
    await pause(Math.min(100, limits.hold));
  }
}

/** Waits for the steady mode, and watches it for a while. */
export async function recover(
  { experiment, applications }: Plan,
  { signal }: Scene,
  observer: Observer,
  tell: Tell,
): Promise<void> {
  const { steady, limits } = experiment;
  if (applications.length === 0) return sleep(limits.settle, undefined, { signal });
  const from = observer.now;
  const took = () => Math.round(observer.now - from);
  while (observer.mode() !== steady && took() < limits.maxRecover)
    await sleep(25, undefined, { signal });
  const back = observer.mode() === steady;
  tell(
    'recover',
    back
      ? `every application reports ${steady} mode after ${took()} ms`
      : `no ${steady} mode within ${limits.maxRecover} ms`,
  );
  await sleep(limits.settle, undefined, { signal });
}
