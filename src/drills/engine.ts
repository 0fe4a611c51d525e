import { randomBytes } from 'node:crypto';
import type { Application } from '../applications/client.js';
import { messageOf } from '../errors.js';
import type { Io } from '../io.js';
import type { State } from '../state/folder.js';
import { identify } from '../state/identity.js';
import type { Experiment } from './experiment.js';
import { Guard, type Restored } from './guard.js';
import { archive, openJournal } from './journal.js';
import { Observer, type Sample } from './observer.js';
import { breakAndHold, demandSteady, recover, type Tell } from './phases.js';
import type { DrillEvent, Report } from './record.js';
import type { Prepared } from './subject.js';
import { judge, type Marks, type Verdict } from './verdict.js';
import type { Facts, Setting, Witness } from './witnesses/witness.js';

export interface Plan {
  id: string;
  experiment: Experiment;
  prepared: Prepared;
  applications: readonly Application[];
  environment: string;
  /** Prefix of the keys that the drill writes itself. */
  keyPrefix: string;
  /** Share of requests that must be answered rightly, 0 to 1. */
  minAvailability: number;
  /** Longest wait for one answer of the target or an application, in ms. */
  timeout: number;
}

export interface Scene extends Pick<Io, 'host' | 'env' | 'cwd' | 'signal' | 'now'> {
  state: State;
  onEvent(event: DrillEvent): void;
}

export interface Outcome {
  report: Report;
  /** Where the drill's journal is kept now; the report belongs beside it. */
  folder: string;
  samples: Sample[];
  /** Every setting before and after; none where they could not be compared. */
  settings: Setting[];
}

/** The name of a drill that begins now; it sorts by time. */
export function newId(now: number): string {
  return `${new Date(now).toISOString().replace(/[:.]/g, '-')}-${randomBytes(3).toString('hex')}`;
}

/**
 * Runs a drill: lock, preconditions, watchdog, fault, observation, restoration, recovery, report.
 * Whatever goes wrong after the fault, the target is restored before this returns or throws.
 */
export async function runDrill(plan: Plan, scene: Scene): Promise<Outcome> {
  const { id, experiment, prepared, applications } = plan;
  const began = scene.now();
  const start = performance.now();
  const timeline: DrillEvent[] = [];
  const tell: Tell = (phase, message) => {
    const event = { at: Math.round(performance.now() - start), phase, message };
    timeline.push(event);
    scene.onEvent(event);
  };
  const { folder, guard, witnesses } = await open(plan, scene, began, tell);

  const observer = new Observer(id, applications, prepared.ping, plan.timeout, start);
  const marks: Marks = { end: 0 };
  const proof: Proof = { problems: [], facts: {}, settings: [] };
  let problem: string | undefined;
  try {
    await breakAndHold(plan, scene, guard, observer, witnesses, marks, tell);
  } catch (error) {
    problem = scene.signal.aborted ? 'interrupted' : messageOf(error);
  }
  marks.restoring = observer.now;
  tell('restore', problem ? `${problem}: restoring` : experiment.words.mending);
  const outcome = await guard.restore();
  marks.restored = observer.now;
  if (outcome.type === 'restored') {
    const by = outcome.by === 'drill' ? '' : `: the watchdog restored it (${outcome.by})`;
    tell('restore', `the target is as it was${by}`);
    try {
      await recover(plan, scene, observer, tell);
      await hear(witnesses, { timeout: plan.timeout, signal: scene.signal }, proof, tell);
    } catch (error) {
      problem ??= scene.signal.aborted ? 'interrupted' : messageOf(error);
    }
    await dismiss(witnesses, plan.timeout);
  }
  marks.end = observer.now;
  await observer.stop();
  const kept = outcome.type === 'restored' ? await guard.disarm() : folder;
  guard.release();

  const { limits, degraded, outage, changes } = experiment;
  const verdict = judge(observer.samples, marks, {
    applications: applications.map(({ name }) => name),
    maxDegrade: limits.maxDegrade,
    maxRecover: limits.maxRecover,
    degraded,
    outage,
    changes,
    minAvailability: plan.minAvailability,
  });
  const report: Report = {
    id,
    drill: experiment.name,
    target: prepared.target.name,
    address: prepared.address,
    environment: plan.environment,
    started_at: new Date(began).toISOString(),
    ended_at: new Date(scene.now()).toISOString(),
    ...conclude(outcome, problem, verdict, proof),
    outage_ms: verdict.outage_ms,
    applications: verdict.applications,
    facts: proof.facts,
    marks: rounded(marks),
    timeline,
  };
  tell('close', report.restored ? `${report.verdict}` : `NOT RESTORED: ${report.reasons[0]}`);
  return { report, samples: observer.samples, settings: proof.settings, folder: kept };
}

/** All that comes before the fault: the target is locked, its state is known, and the watchdog stands. */
async function open(plan: Plan, scene: Scene, began: number, tell: Tell) {
  const { id, experiment, prepared, applications, timeout } = plan;
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
  const witnesses: Witness[] = [];
  try {
    const patience = { timeout, signal: scene.signal };
    await demandSteady(plan, patience);
    const { access, master, postgres, work } = prepared;
    const stand = { access, master, postgres, work, applications, prefix: plan.keyPrefix };
    for (const call of experiment.witnesses) witnesses.push(await call(stand, patience));
    tell(
      'prepare',
      `${prepared.target.name} and ${applications.length} application(s) are healthy; a canary is written`,
    );
    const guard = await Guard.arm(scene, folder, experiment.limits.deadline, prepared.fault.cwd);
    tell('arm', 'the watchdog is ready; from here on the target is restored whatever happens');
    return { folder, guard, witnesses };
  } catch (error) {
    await dismiss(witnesses, timeout);
    archive(scene.state, folder, id);
    throw error;
  }
}

interface Proof {
  problems: string[];
  facts: Facts;
  settings: Setting[];
}

async function hear(
  witnesses: readonly Witness[],
  limits: { timeout: number; signal: AbortSignal },
  proof: Proof,
  tell: Tell,
): Promise<void> {
  for (const witness of witnesses) {
    const { problems, says, facts, settings = [] } = await witness.check(limits);
    proof.problems.push(...problems);
    Object.assign(proof.facts, facts);
    proof.settings.push(...settings);
    tell('recover', problems.length === 0 ? says : problems.join('; '));
  }
}

async function dismiss(witnesses: readonly Witness[], timeout: number): Promise<void> {
  await Promise.all(witnesses.map((witness) => witness.remove({ timeout })));
}

function conclude(
  outcome: Restored,
  problem: string | undefined,
  { passed, reasons }: Verdict,
  { problems }: Proof,
): Pick<Report, 'verdict' | 'reasons' | 'restored' | 'restored_by'> {
  const restored = outcome.type === 'restored';
  const early =
    restored && outcome.by !== 'drill'
      ? `the watchdog restored it early (${outcome.by})`
      : undefined;
  const aborted = problem ?? early;
  return {
    verdict: aborted
      ? 'aborted'
      : passed && problems.length === 0 && restored
        ? 'passed'
        : 'failed',
    reasons: [
      ...(outcome.type === 'not_restored' ? [`NOT RESTORED: ${outcome.reason}`] : []),
      ...(aborted ? [aborted] : [...reasons, ...problems]),
    ],
    restored,
    restored_by: restored ? outcome.by : null,
  };
}

function rounded({ injected, restoring, restored, end }: Marks): Report['marks'] {
  const whole = (value: number | undefined) => (value === undefined ? null : Math.round(value));
  return {
    injected: whole(injected),
    restoring: whole(restoring),
    restored: whole(restored),
    end: Math.round(end),
  };
}
