import { join } from 'node:path';
import type { Config } from '../../config/load.js';
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
import { emit, emitLine, say } from '../../output/emit.js';
import { postgresTargets } from '../../postgres/target.js';
import { type Consent, consent } from '../../prompt.js';
import type { JobAdder } from '../../queues/adding.js';
import { describe } from '../../redis/target.js';
import { openLines } from '../../state/lines.js';
import { countText } from '../../words.js';
import { audited } from '../audited.js';
import { outcomesOf } from './apply-report.js';
import { self, shapeFor, targetNamed } from './place.js';
import { type JobsShown, renderJobs } from './render-jobs.js';
import { sourceNamed } from './sources.js';

interface Opened {
  adder: JobAdder;
  target: string;
  address: string;
}

/** The queues of a Redis (BullMQ) or of a Postgres (pg-boss), as the configuration has them. */
async function openAdder(context: Context, config: Config, text: string): Promise<Opened> {
  const limits = { timeout: context.settings.timeout, signal: context.signal };
  if (text.startsWith('postgres:')) {
    const name = text.slice('postgres:'.length);
    const target = postgresTargets(config).find((one) => one.name === name);
    if (!target) throw new CacheOpsError('not_found', `no Postgres is named "${name}"`);
    const queue = config.queues.find((one) => one.engine === 'pgboss' && one.postgres === name);
    const schema = queue?.engine === 'pgboss' ? queue.schema : undefined;
    const { pgbossAdder } = await import('../../queues/pgboss/adding.js');
    return { adder: pgbossAdder(target, schema, limits), target: text, address: target.address };
  }
  const target = targetNamed(config, text);
  const queue = config.queues.find((one) => one.engine === 'bullmq' && one.redis === target.name);
  const prefix = queue?.engine === 'bullmq' ? queue.prefix : 'bull';
  const { bullmqAdder } = await import('../../queues/bullmq/adding.js');
  return {
    adder: bullmqAdder(target, prefix, limits),
    target: `redis:${target.name}`,
    address: describe(target),
  };
}

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
  const { adder, target, address } = await openAdder(context, config, flags.to);
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
    const { entries, bad, past, absent, equal, values, running } = made;
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
      bytes: { values, memory: values },
      ttl_ms: { shortest: null, longest: null },
      memory: { used_bytes: null, limit_bytes: null, ratio_after: null },
      example_key: null,
      state: 'planned',
      ended_at: null,
    });
    storePlan(state, plan);
    stored = true;
    const left = shown.map(({ place, reason, id: job }) => ({ place, id: job ?? '', reason }));
    await tell(context, plan, { verb: 'plan', counts: { ...made }, left });
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

/** Runs `work` with the queues of a plan, which must be those that it was made for. */
async function atQueues<T>(
  context: Context,
  plan: Plan,
  work: (adder: JobAdder) => Promise<T>,
): Promise<T> {
  const config = await context.config();
  const { adder, address } = await openAdder(context, config, plan.target);
  try {
    if (address !== plan.address || config.environment !== plan.environment)
      throw new CacheOpsError(
        'refused',
        `${plan.id} was made for another estate: ${plan.environment}, ${plan.target} at ${plan.address}`,
        'use the configuration that it was made with',
      );
    return await work(adder);
  } finally {
    await adder.close();
  }
}

interface ApplyFlags extends Consent {
  rate: number | undefined;
  dryRun?: boolean;
}

export async function applyOfJobs(context: Context, plan: Plan, flags: ApplyFlags): Promise<void> {
  const { state, signal, now } = context;
  const folder = planFolder(state, plan.id);
  if (flags.dryRun) {
    say(
      context,
      `Would add ${countText(plan.absent)} jobs to ${plan.target}. Nothing was changed.`,
    );
    return;
  }
  await consent(
    context,
    `Add ${countText(plan.entries)} jobs to ${plan.target} in ${plan.environment}?`,
    plan.target,
    flags,
  );
  storePlan(state, { ...plan, state: 'applying', ended_at: null });
  const sums = { written: 0, in_doubt: 0, position: 0 };
  const left: JobsShown['left'] = [];
  await atQueues(context, plan, async (adder) => {
    for await (const step of applyJobs({ folder, adder, rate: flags.rate, signal })) {
      sums.written += step.written;
      sums.in_doubt += step.in_doubt;
      sums.position = step.position;
      for (const { id, queue, place } of step.left)
        left.push({ id, place, reason: `there is no queue ${queue}` });
      if (context.settings.json)
        emitLine(context, { type: 'progress', position: step.position, total: plan.records });
    }
  });
  const finished = sums.position >= plan.records;
  if (finished)
    storePlan(state, { ...plan, state: 'applied', ended_at: new Date(now()).toISOString() });
  const { created, equal, unknown } = outcomesOf(folder, plan.records);
  const counts = { created, equal, no_queue: unknown, ...sums };
  await tell(context, plan, { verb: 'apply', counts, left });
  audited(context, {
    action: 'migrate apply',
    target: plan.target,
    result: finished ? 'finished' : 'interrupted',
    detail: { plan: plan.id, kind: plan.kind, ...counts },
  });
  if (unknown > 0 || plan.bad > 0) context.exitCode = ExitCode.partial;
}

export async function verifyOfJobs(context: Context, plan: Plan): Promise<void> {
  const { state, signal } = context;
  const folder = planFolder(state, plan.id);
  const found = await atQueues(context, plan, (adder) => compareJobs({ folder, adder, signal }));
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
  const taken = await atQueues(context, plan, (adder) => takeJobsBack({ folder, adder, signal }));
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
    emitLine(context, { type: 'summary', ...plan, running: counts.running });
  else emitLine(context, { type: 'summary', plan: id, kind, target, counts, bad: plan.bad });
}
