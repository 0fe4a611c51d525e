import type { Context } from '../../context.js';
import { EXPERIMENTS } from '../../drills/catalogue.js';
import type { Plan } from '../../drills/engine.js';
import type { Experiment } from '../../drills/experiment.js';
import { type Check, SURVIVES } from '../../rollout/stages.js';
import { notRestored, performQuietly } from './perform.js';
import { renderEvent } from './render.js';
import { planDrill } from './request.js';

const RESTART = EXPERIMENTS.find(({ name }) => name === 'redis-restart-data') as Experiment;

/** The drill that restarts a Redis which no application uses yet: none is watched. */
export function planRestart(context: Context, target: string): Promise<Plan> {
  return planDrill(context, {
    experiment: { ...RESTART, needsApplications: false, degraded: 'either' },
    target,
    applications: [],
    limits: { hold: 500 },
  });
}

/**
 * Runs it, and says by a check of the rollout whether the data survived. How it goes is told on stderr.
 * Throws `not_restored` when Redis was not started again.
 */
export async function restartByDrill(context: Context, plan: Plan): Promise<Check> {
  const { stderr, settings } = context;
  const start = performance.now();
  const report = await performQuietly(context, plan, (event) => {
    if (!settings.quiet && !settings.json) stderr.write(renderEvent(event, stderr.columns));
  });
  if (!report.restored) throw notRestored(plan, report);
  context.signal.throwIfAborted();
  const passed = report.verdict === 'passed';
  const { outage_ms, facts, reasons } = report;
  const away = outage_ms === null ? '' : `, away for ${Math.round(outage_ms)} ms`;
  return {
    subject: `${plan.prepared.target.name} ${plan.prepared.address}`,
    check: SURVIVES,
    status: passed ? 'passed' : 'failed',
    ms: Math.round((performance.now() - start) * 1_000) / 1_000,
    detail: passed
      ? `${facts.data_keys} keys written before are there after it${away}`
      : reasons.join('; '),
  };
}
