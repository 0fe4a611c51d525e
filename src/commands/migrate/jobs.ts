import { join } from 'node:path';
import type { Context } from '../../context.js';
import { CacheOpsError, ExitCode } from '../../errors.js';
import type { Bad } from '../../migration/entry.js';
import { applyJobs, compareJobs, takeJobsBack } from '../../migration/jobs/apply.js';
import { planJobs } from '../../migration/jobs/plan.js';
import {
  claimPlan,
  findPlan,
  forgetPlan,
  newPlanId,
  type Plan,
  planFolder,
  planSchema,
  storePlan,
} from '../../migration/plan/store.js';
import { shareWith } from '../../migration/target/state.js';
import { emit, emitLine, say } from '../../output/emit.js';
import { type Consent, consent } from '../../prompt.js';
import { openLines } from '../../state/lines.js';
import { countText } from '../../words.js';
import { audited } from '../audited.js';
import { outcomesOf } from './apply-report.js';
import { guardMemory, type HowFull, isTooFull } from './memory.js';
import { roomAt, self, shapeFor } from './place.js';
import { atQueues, openQueues, type Queues } from './queues.js';
import { type JobsShown, renderJobs } from './render-jobs.js';
import { sourceNamed } from './sources.js';

interface PlanFlags {
  from: string;
  to: string;
  format?: 'ndjson' | 'json';
  includeRunning?: boolean;
}

export async function planOfJobs(context: Context, flags: PlanFlags, largest: number) {
  const { state, now, settings, signal } = context;
  const config = await context.config();
  const began = now();
  const shape = shapeFor(config, 'jobs');
  const options = { kind: 'tasks' as const, shape, largest, format: flags.format, prefix: '' };
  const { source, given } = await sourceNamed(context, config, flags.from, options);
  const { adder, redis, target, address } = await openQueues(context, config, flags.to);
  const id = newPlanId('jobs', began);
  const folder = planFolder(state, id);
  const lock = claimPlan(state, id, self(context));
  const shown: Bad[] = [];
  let stored = false;
  try {
    const made = await planJobs({
      folder,
      source,
      shape,
      adder,
      largest,
      includeRunning: flags.includeRunning === true,
      signal,
      onBad(bad) {
        if (shown.length < SHOWN) shown.push(bad);
        if (settings.json) emitLine(context, { type: 'item', ...bad });
      },
    });
    const { values, memory, ...counts } = made;
    const { entries, bad, past, absent, equal, running } = counts;
    const room = redis && (await roomAt(context, redis));
    const plan: Plan = planSchema.parse({
      id,
      kind: 'jobs',
      source: {
        given,
        prefix: '',
        description: source.description,
        unit: source.unit,
        again: source.again,
        fingerprint: null,
      },
      target,
      address,
      db: 0,
      environment: config.environment,
      prefix: '',
      chat: null,
      largest_value: largest,
      made_at: new Date(began).toISOString(),
      ...{ entries, records: entries, bad, past, absent, equal, differs: 0, other_type: 0 },
      bytes: { values, memory },
      ttl_ms: { shortest: null, longest: null },
      memory: {
        used_bytes: room?.used_bytes ?? null,
        limit_bytes: room?.limit_bytes ?? null,
        ratio_after: room ? shareWith(room, memory ?? 0) : null,
      },
      example_key: null,
      state: 'planned',
      ended_at: null,
    });
    storePlan(state, plan);
    stored = true;
    const left = shown.map(({ place, reason, id: job }) => ({ place, id: job ?? '', reason }));
    await tell(context, plan, { verb: 'plan', counts, left });
    if (bad > 0) context.exitCode = ExitCode.partial;
    if (running > 0)
      say(
        context,
        `${countText(running)} jobs were running and are left out: --include-running takes them, marked`,
      );
  } finally {
    await adder.close();
    lock.release();
    if (!stored) forgetPlan(state, id);
  }
}

const SHOWN = 1_000;

interface ApplyFlags extends Consent, HowFull {
  rate: number | undefined;
}

export function applyOfJobs(context: Context, plan: Plan, flags: ApplyFlags): Promise<void> {
  return atQueues(context, plan, (queues) => addTo(context, plan, queues, flags));
}

async function addTo(
  context: Context,
  plan: Plan,
  { adder, redis }: Queues,
  flags: ApplyFlags,
): Promise<void> {
  const { state, signal, now, settings } = context;
  const { kind, target } = plan;
  const folder = planFolder(state, plan.id);
  const countsSoFar = () => {
    const { created, equal, unknown } = outcomesOf(folder, plan.records);
    return { created, equal, no_queue: unknown };
  };
  // What earlier runs have added is in the memory already.
  const open = 1 - Math.min(1, countsSoFar().created / Math.max(plan.absent, 1));
  const ratio = redis ? guardMemory(plan, await roomAt(context, redis), open, flags) : null;
  if (flags.dryRun) {
    const counts = { ...countsSoFar(), written: 0, in_doubt: 0 };
    const result = { plan: plan.id, kind, target, counts, bad: plan.bad, dry_run: true, ratio };
    if (settings.json) emitLine(context, { type: 'summary', ...result });
    else
      say(context, `Would add ${countText(plan.absent)} jobs to ${target}. Nothing was changed.`);
    return;
  }
  await consent(
    context,
    `Add ${countText(plan.entries)} jobs to ${target} in ${plan.environment}?`,
    target,
    flags,
  );
  storePlan(state, { ...plan, state: 'applying', ended_at: null });
  const sums = { written: 0, in_doubt: 0, position: 0 };
  const left: JobsShown['left'] = [];
  for await (const step of applyJobs({ folder, adder, rate: flags.rate, signal })) {
    sums.written += step.written;
    sums.in_doubt += step.in_doubt;
    sums.position = step.position;
    for (const { id, queue, place } of step.left)
      left.push({ id, place, reason: `there is no queue ${queue}` });
    if (settings.json)
      emitLine(context, { type: 'progress', position: step.position, total: plan.records });
  }
  const finished = sums.position >= plan.records;
  if (finished)
    storePlan(state, { ...plan, state: 'applied', ended_at: new Date(now()).toISOString() });
  const counts = { ...countsSoFar(), ...sums };
  await tell(context, plan, { verb: 'apply', counts, left });
  audited(context, {
    action: 'migrate apply',
    target,
    result: finished ? 'finished' : 'interrupted',
    detail: { plan: plan.id, kind, ...counts },
  });
  if (counts.no_queue > 0 || plan.bad > 0) context.exitCode = ExitCode.partial;
}

export async function verifyOfJobs(context: Context, plan: Plan): Promise<void> {
  const { state, signal } = context;
  const folder = planFolder(state, plan.id);
  const found = await atQueues(context, plan, ({ adder }) =>
    compareJobs({ folder, adder, signal }),
  );
  const { missing, ...counts } = found;
  const left = missing.map(({ id, queue, place }) => ({
    id,
    place,
    reason: `${queue} does not have it`,
  }));
  await tell(context, plan, { verb: 'verify', counts: { ...counts, missing: left.length }, left });
  if (left.length > 0) context.exitCode = ExitCode.bad;
}

export async function rollbackOfJobs(
  context: Context,
  id: string,
  flags: Consent & { dryRun?: boolean },
): Promise<void> {
  const { state, signal } = context;
  const plan = findPlan(state, id);
  const folder = planFolder(state, id);
  const { created } = outcomesOf(folder, plan.records);
  if (created === 0 || plan.state === 'rolled back')
    throw new CacheOpsError('not_found', `${id} has added nothing that could be taken back`);
  const words = `${countText(created)} jobs of ${plan.target}`;
  if (flags.dryRun) return say(context, `Would take back ${words}. Nothing was changed.`);
  await consent(context, `Take back ${words} in ${plan.environment}?`, plan.target, flags);
  storePlan(state, { ...plan, state: 'rolling back' });
  const taken = await atQueues(context, plan, ({ adder }) =>
    takeJobsBack({ folder, adder, signal }),
  );
  storePlan(state, { ...plan, state: 'rolled back' });
  const { left: started, ...counts } = taken;
  const file = openLines(join(folder, 'left.ndjson'));
  file.write(started);
  file.close();
  const left = started.map(({ id: job, place }) => ({
    id: job,
    place,
    reason: 'a worker has had it: left as it is',
  }));
  await tell(context, plan, { verb: 'rollback', counts, left });
  audited(context, {
    action: 'migrate rollback',
    target: plan.target,
    result: 'rolled back',
    detail: { plan: id, kind: plan.kind, ...counts },
  });
  if (left.length > 0) context.exitCode = ExitCode.partial;
}

async function tell(context: Context, plan: Plan, shown: Omit<JobsShown, 'plan'>): Promise<void> {
  const { id, kind, target } = plan;
  if (!context.settings.json) return emit(context, { ...shown, plan }, renderJobs);
  if (shown.verb !== 'plan')
    for (const item of shown.left) emitLine(context, { type: 'item', ...item });
  const { counts } = shown;
  if (shown.verb === 'plan')
    emitLine(context, {
      type: 'summary',
      ...plan,
      running: counts.running,
      too_full: isTooFull(plan),
    });
  else emitLine(context, { type: 'summary', plan: id, kind, target, counts, bad: plan.bad });
}
