import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Application } from '../applications/client.js';
import { readHealth } from '../applications/client.js';
import { CacheOpsError, messageOf } from '../errors.js';
import type { Io } from '../io.js';
import type { State } from '../state/folder.js';
import { identify } from '../state/identity.js';
import { type Canary, releaseCanary } from './canary.js';
import type { Experiment } from './experiment.js';
import { Guard, type Restored } from './guard.js';
import { archive, openJournal } from './journal.js';
import { Observer, type Sample } from './observer.js';
import type { DrillEvent, Report } from './record.js';
import type { Prepared } from './subject.js';
import { judge, type Marks } from './verdict.js';

export interface Plan {
  experiment: Experiment;
  prepared: Prepared;
  applications: readonly Application[];
  environment: string;
  /** Prefix of the keys that the drill writes itself. */
  keyPrefix: string;
  /** Longest wait for one answer of Redis or an application, in ms. */
  timeout: number;
}

export interface Scene extends Pick<Io, 'host' | 'env' | 'signal' | 'now'> {
  state: State;
  onEvent(event: DrillEvent): void;
}

export interface Outcome {
  report: Report;
  /** Where the drill's journal is kept now; the report belongs beside it. */
  folder: string;
  samples: Sample[];
}

/**
 * Runs a drill: lock, preconditions, watchdog, fault, observation, restoration, recovery, report.
 * Whatever goes wrong after the fault, the target is restored before this returns or throws.
 */
export async function runDrill(plan: Plan, scene: Scene): Promise<Outcome> {
  const { experiment, prepared, applications } = plan;
  const id = `${new Date(scene.now()).toISOString().replace(/[:.]/g, '-')}-${randomBytes(3).toString('hex')}`;
  const began = scene.now();
  const timeline: DrillEvent[] = [];
  const tell = (phase: DrillEvent['phase'], message: string) => {
    const event = { at: scene.now() - began, phase, message };
    timeline.push(event);
    scene.onEvent(event);
  };
  const self = identify(scene.host.pid);
  if (!self) throw new Error('this process cannot be identified');

  const folder = openJournal(scene.state, {
    id,
    drill: experiment.name,
    target: prepared.target.name,
    address: prepared.address,
    openedAt: new Date(began).toISOString(),
    phase: 'preparing',
    fault: prepared.fault,
    cli: self,
  });
  const limits = { timeout: plan.timeout, signal: scene.signal };
  let canary: Canary | undefined;
  let guard: Guard;
  try {
    await demandSteady(plan, limits);
    canary = await releaseCanary(
      `${plan.keyPrefix}:drill:${id}:canary`,
      prepared.access,
      applications,
      limits,
    );
    tell(
      'prepare',
      `${prepared.target.name} and ${applications.length} application(s) are healthy; a canary is written`,
    );
    guard = await Guard.arm(scene, folder, experiment.limits.deadline, prepared.fault.cwd);
  } catch (error) {
    await canary?.remove({ timeout: plan.timeout });
    archive(scene.state, folder, id);
    throw error;
  }
  tell('arm', 'the watchdog is ready; from here on Redis is restored whatever happens');

  const observer = new Observer(id, applications, prepared.fault, plan.timeout);
  const marks: Marks = { end: 0 };
  let problem: string | undefined;
  let outcome: Restored | undefined;
  let lost: string[] = [];
  try {
    await breakAndHold(plan, scene, guard, observer, marks, tell);
  } catch (error) {
    problem = scene.signal.aborted ? 'interrupted' : messageOf(error);
  }
  marks.restoring = observer.now;
  tell('restore', problem ? `${problem}: restoring` : 'starting Redis again');
  outcome = await guard.restore();
  marks.restored = observer.now;
  if (outcome.type === 'restored') {
    tell(
      'restore',
      outcome.by === 'drill'
        ? 'Redis answers'
        : `Redis answers: the watchdog restored it (${outcome.by})`,
    );
    try {
      lost = await recover(plan, scene, observer, canary, tell);
    } catch (error) {
      problem ??= scene.signal.aborted ? 'interrupted' : messageOf(error);
    }
    await canary.remove({ timeout: plan.timeout });
  }
  marks.end = observer.now;
  await observer.stop();
  const kept = outcome.type === 'restored' ? await guard.disarm() : folder;
  guard.release();

  const verdict = judge(observer.samples, marks, {
    applications: applications.map(({ name }) => name),
    maxDegrade: experiment.limits.maxDegrade,
    maxRecover: experiment.limits.maxRecover,
  });
  const restored = outcome.type === 'restored';
  const foreign =
    outcome.type === 'restored' && outcome.by !== 'drill'
      ? `the watchdog restored it early (${outcome.by})`
      : undefined;
  const aborted = problem ?? foreign;
  const report: Report = {
    id,
    drill: experiment.name,
    target: prepared.target.name,
    address: prepared.address,
    environment: plan.environment,
    started_at: new Date(began).toISOString(),
    ended_at: new Date(scene.now()).toISOString(),
    verdict: aborted
      ? 'aborted'
      : verdict.passed && lost.length === 0 && restored
        ? 'passed'
        : 'failed',
    reasons: [
      ...(outcome.type === 'not_restored' ? [`NOT RESTORED: ${outcome.reason}`] : []),
      ...(aborted ? [aborted] : [...verdict.reasons, ...lost]),
    ],
    restored,
    restored_by: outcome.type === 'restored' ? outcome.by : null,
    outage_ms: verdict.outage_ms,
    applications: verdict.applications,
    timeline,
  };
  tell('close', restored ? `${report.verdict}` : `NOT RESTORED: ${report.reasons[0]}`);
  return { report, samples: observer.samples, folder: kept };
}

async function demandSteady(
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
      'nothing was stopped',
    );
  }
}

type Tell = (phase: DrillEvent['phase'], message: string) => void;

/** Breaks the target and keeps it broken until every application has shown what it does. */
async function breakAndHold(
  plan: Plan,
  scene: Scene,
  guard: Guard,
  observer: Observer,
  marks: Marks,
  tell: Tell,
): Promise<void> {
  const { limits, degraded } = plan.experiment;
  const pause = (ms: number) => sleep(ms, undefined, { signal: scene.signal });
  const demandGuard = () => {
    if (guard.ended === 'gone') throw new Error('the watchdog is gone');
    if (guard.ended) throw new Error('the watchdog ended the drill');
  };
  await pause(limits.settle);
  demandGuard();
  tell('inject', `stopping Redis at ${plan.prepared.address}`);
  marks.injected = observer.now;
  await guard.inject();
  scene.signal.throwIfAborted();
  tell('inject', 'Redis is stopped');
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
  tell('hold', `writing and reading through the applications for ${limits.hold} ms`);
  const until = observer.now + limits.hold;
  while (observer.now < until) {
    demandGuard();
    await pause(Math.min(100, limits.hold));
  }
}

/** Waits for the steady mode, watches it for a while, and looks for what was written before. */
async function recover(
  { experiment, timeout }: Plan,
  { signal }: Scene,
  observer: Observer,
  canary: Canary,
  tell: Tell,
): Promise<string[]> {
  const { steady, limits } = experiment;
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
  const lost = await canary.check({ timeout, signal });
  tell('recover', lost.length === 0 ? 'the canary is intact' : lost.join('; '));
  return lost;
}
