import type { Application } from '../../applications/client.js';
import type { Config } from '../../config/load.js';
import { nearest } from '../../config/nearest.js';
import { parseDuration } from '../../config/units.js';
import type { Context } from '../../context.js';
import { newId, type Plan } from '../../drills/engine.js';
import type { Experiment, Limits } from '../../drills/experiment.js';
import { type Prepared, prepare } from '../../drills/subject.js';
import { CacheOpsError } from '../../errors.js';
import { applicationPrefix } from '../../keys/prefix.js';
import { type RedisTarget, selectRedis } from '../../redis/target.js';

/** What is asked of a drill, by flags or by a plan file; what is left out is as in the catalogue. */
export interface Request {
  experiment: Experiment;
  target?: string | undefined;
  applications?: string[] | undefined;
  /** A split task that is under way, for a drill about a worker. */
  task?: string | undefined;
  limits?: Partial<Limits>;
  params?: Record<string, number>;
  /** 0 to 1. */
  minAvailability?: number | undefined;
  allowDataLoss?: boolean | undefined;
  /** Commands in place of the configured control. */
  commands?: { stop: string; start: string } | undefined;
}

export interface LimitFlags {
  task?: string;
  app?: string[];
  hold?: string;
  maxDegrade?: string;
  maxRecover?: string;
  minAvailability?: string;
  deadline?: string;
  delay?: string;
  jitter?: string;
  allowDataLoss?: boolean;
}

export function requestOf(
  experiment: Experiment,
  target: string | undefined,
  flags: LimitFlags,
): Request {
  const { hold, maxDegrade, maxRecover, deadline, delay, jitter } = flags;
  return {
    experiment,
    target,
    task: flags.task,
    applications: flags.app,
    allowDataLoss: flags.allowDataLoss,
    minAvailability: percentage(flags.minAvailability),
    limits: {
      ...(hold !== undefined && { hold: parseDuration(hold, '--hold') }),
      ...(maxDegrade !== undefined && { maxDegrade: parseDuration(maxDegrade, '--max-degrade') }),
      ...(maxRecover !== undefined && { maxRecover: parseDuration(maxRecover, '--max-recover') }),
      ...(deadline !== undefined && { deadline: parseDuration(deadline, '--deadline') }),
    },
    params: {
      ...(delay !== undefined && { delay: parseDuration(delay, '--delay') }),
      ...(jitter !== undefined && { jitter: parseDuration(jitter, '--jitter') }),
    },
  };
}

function percentage(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text.replace(/\s*%$/, ''));
  if (text.trim() !== '' && value >= 0 && value <= 100) return value / 100;
  throw new CacheOpsError(
    'usage',
    `--min-availability: "${text}" is not a percentage of 0 to 100`,
    'write it as 99.9',
  );
}

/** Looks at everything that the drill needs, and rehearses the restoration; nothing is broken by it. */
export async function planDrill(context: Context, request: Request): Promise<Plan> {
  const { experiment: base, minAvailability = 1, commands } = request;
  const config = await context.config();
  const experiment: Experiment = {
    ...base,
    limits: { ...base.limits, ...request.limits },
    params: { ...base.params, ...request.params },
  };
  const id = newId(context.now());
  const keyPrefix = `${applicationPrefix(config)}drill:${id}`;
  const { timeout } = context.settings;
  const patience = { timeout, signal: context.signal };
  const asked = commands ? { ...experiment, effect: 'stop' as const } : experiment;
  const world = { ...context, config };
  let applications: Application[];
  let prepared: Prepared;
  if (base.server === 'postgres') {
    const [{ preparePostgres, selectPostgres }, { workOn }] = await Promise.all([
      import('../../drills/postgres.js'),
      import('../../drills/workers.js'),
    ]);
    const target = selectPostgres(config, request.target);
    applications = selectApplications(config, undefined, request.applications, experiment);
    const control = commands ? { command: commands } : config.postgres[target.name]?.control;
    prepared = await preparePostgres(target, control, asked, keyPrefix, world, patience);
    const work = await workOn(target, applications, experiment, keyPrefix, world);
    prepared = { ...prepared, ...(work && { work }) };
  } else if (base.server === 'worker') {
    const { prepareWorker, selectWorker } = await import('../../drills/workers.js');
    if (commands)
      throw new CacheOpsError(
        'usage',
        `${base.name} has no commands of its own in a plan`,
        'give workers.NAME.control.command: { kill, alive, start }',
      );
    const name = selectWorker(config, request.target);
    const { application = name } = config.workers[name] ?? {};
    const { [application]: _, ...others } = config.applications;
    applications = selectApplications(
      { ...config, applications: others },
      undefined,
      request.applications,
      experiment,
    );
    prepared = await prepareWorker(
      name,
      request.task,
      applications,
      experiment,
      keyPrefix,
      world,
      patience,
    );
  } else {
    const target = oneRedis(config, request.target);
    applications = selectApplications(config, target.name, request.applications, experiment);
    const own = {
      ...target,
      config: { ...target.config, control: commands && { command: commands } },
    };
    prepared = await prepare(commands ? own : target, asked, keyPrefix, world, patience);
  }
  // Moved to another port it keeps what it has.
  const stops = experiment.persistence && prepared.fault.way.kind !== 'port';
  if (stops && !prepared.persistence && !request.allowDataLoss) {
    throw new CacheOpsError(
      'refused',
      `${prepared.target.name} keeps nothing over a stop: neither AOF nor RDB is on`,
      'switch one on, or add --allow-data-loss',
    );
  }
  return {
    id,
    experiment,
    prepared,
    applications,
    environment: config.environment,
    keyPrefix,
    minAvailability,
    timeout,
  };
}

export function oneRedis(config: Config, name: string | undefined): RedisTarget {
  const [target, ...others] = selectRedis(config, name === undefined ? [] : [name]);
  if (target && others.length === 0) return target;
  throw new CacheOpsError(
    'usage',
    'there is more than one Redis: say which',
    `one of ${Object.keys(config.redis).join(', ')}`,
  );
}

/** The applications that cache in the target, or the named ones; refuses when they could prove nothing. */
function selectApplications(
  { applications, redis }: Config,
  target: string | undefined,
  names: string[] | undefined,
  { needsApplications }: Experiment,
): Application[] {
  const unknown = names?.find((name) => !Object.hasOwn(applications, name));
  if (unknown)
    throw new CacheOpsError(
      'not_found',
      `no application is named "${unknown}"`,
      nearest(unknown, Object.keys(applications)),
    );
  const [first] = Object.keys(redis);
  const chosen = Object.entries(applications)
    .filter(([name, config]) =>
      names ? names.includes(name) : !target || (config.redis ?? first) === target,
    )
    .map(([name, config]) => ({ name, config }));
  if (chosen.length === 0 && needsApplications) {
    throw new CacheOpsError(
      'refused',
      `no application${target ? ` that uses ${target}` : ''} is configured: the drill could prove nothing`,
      'add it under applications',
    );
  }
  const silent = chosen.find(({ config }) => !config.probe);
  if (silent) {
    throw new CacheOpsError(
      'refused',
      `${silent.name} has no probe: its health alone proves nothing`,
      `add applications.${silent.name}.probe with a route to write and one to read`,
    );
  }
  return chosen;
}
