import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Application } from '../applications/client.js';
import { type TaskTaker, taskTaker } from '../applications/tasks.js';
import type { Config } from '../config/load.js';
import { nearest } from '../config/nearest.js';
import { CacheOpsError } from '../errors.js';
import type { Io } from '../io.js';
import { type Limits, readPostgres } from '../postgres/client.js';
import { explainPostgres } from '../postgres/explain.js';
import { type PostgresTarget, postgresTargets } from '../postgres/target.js';
import { batchesOf, isOpen } from '../tasks/moment.js';
import { haveTasks } from '../tasks/read.js';
import { chooseKill } from './drivers/kill.js';
import { refused } from './drivers/rehearse.js';
import type { Experiment } from './experiment.js';
import { lookout } from './faults/kill.js';
import type { Prepared } from './subject.js';
import type { Work, Worker } from './work.js';

/** A look by a command starts a process, and one for a port reads a whole table: this long between two, in ms. */
const SLOW_LOOK = 475;

type World = Pick<Io, 'env' | 'cwd' | 'host'> & { config: Config };

/**
 * Looks at a worker and rehearses how it would be killed and started again, and finds the task by which
 * that is seen. Throws as `prepare` does.
 */
export async function prepareWorker(
  name: string,
  task: string | undefined,
  applications: readonly Application[],
  { limits }: Pick<Experiment, 'limits'>,
  prefix: string,
  world: World,
  patience: Limits,
): Promise<Prepared> {
  const { config, cwd } = world;
  const place = { tls: false, cwd: config.file ? dirname(config.file) : cwd };
  const taker = task === undefined ? takerOf(applications) : undefined;
  const postgres = await findTables(config, taker, task, patience);
  const given = config.workers[name] as Config['workers'][string];
  const way = await chooseKill(name, given.control, { ...world, ...place, limits, prefix });
  const worker: Worker = {
    name,
    owner: given.owner ?? name,
    alive: lookout(way.victim, { ...world, ...place }),
  };
  if (task !== undefined) await demandBatch(postgres, task, worker, patience);
  const isSlow = !('lair' in way.victim && 'pidFile' in way.victim.lair);
  const { maxDegrade, maxRecover } = limits;
  return {
    target: { name },
    access: undefined,
    master: undefined,
    address: `worker:${name}`,
    fault: { ...place, target: name, config: { file: config.file ?? null, cwd }, way },
    ping: async () => {
      if (isSlow) await sleep(SLOW_LOOK);
      return worker.alive();
    },
    persistence: `checkpoints in ${postgres.name}`,
    work: {
      config,
      postgres,
      taker,
      task,
      workers: [worker],
      all: way.all,
      maxDegrade,
      maxRecover,
    },
  };
}

/** Every worker of the configuration and a task of its own, to see that they live through a stop of Postgres; undefined where there are none. */
export async function workOn(
  postgres: PostgresTarget,
  applications: readonly Application[],
  { limits }: Pick<Experiment, 'limits'>,
  prefix: string,
  world: World,
): Promise<Work | undefined> {
  const { config, cwd } = world;
  const entries = Object.entries(config.workers);
  const taker = applications
    .map(taskTaker)
    .find((one) => one && tablesOf(config, one) === postgres.name);
  if (entries.length === 0 || !taker) return undefined;
  const place = { cwd: config.file ? dirname(config.file) : cwd };
  const workers = await Promise.all(
    entries.map(async ([name, { owner = name, control }]): Promise<Worker> => {
      const { victim } = await chooseKill(name, control, { ...world, ...place, limits, prefix });
      return { name, owner, alive: lookout(victim, { ...world, ...place }) };
    }),
  );
  const { maxDegrade, maxRecover } = limits;
  return { config, postgres, taker, task: undefined, workers, all: false, maxDegrade, maxRecover };
}

/** The worker of that name; the only one without. */
export function selectWorker({ workers }: Config, name: string | undefined): string {
  const names = Object.keys(workers);
  if (names.length === 0)
    throw refused(
      'no worker is configured: there is nothing to kill',
      'add it under workers: NAME: { control: { process: { pidFile: ..., start: ... } } }',
    );
  if (name !== undefined && names.includes(name)) return name;
  if (name !== undefined)
    throw new CacheOpsError('not_found', `no worker is named "${name}"`, nearest(name, names));
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0) return only;
  throw new CacheOpsError(
    'usage',
    'there is more than one worker: say which',
    `one of ${names.join(', ')}`,
  );
}

function takerOf(applications: readonly Application[]): TaskTaker {
  const [taker] = applications.flatMap((one) => taskTaker(one) ?? []);
  if (taker) return taker;
  throw refused(
    'no application that outlives the worker starts split tasks: there would be nothing in its hands',
    'add applications.NAME.tasks: { start, body, read }, or name a task that is under way: --task ID',
  );
}

function tablesOf({ postgres }: Config, { tasks }: TaskTaker): string | undefined {
  return tasks.postgres ?? Object.keys(postgres)[0];
}

/** The Postgres with the task's tables. */
async function findTables(
  config: Config,
  taker: TaskTaker | undefined,
  task: string | undefined,
  patience: Limits,
): Promise<PostgresTarget> {
  const targets = postgresTargets(config);
  if (targets.length === 0)
    throw refused(
      'no Postgres is configured: split tasks cannot be looked at',
      'add it under postgres, or set DATABASE_URL',
    );
  for (const target of taker
    ? targets.filter(({ name }) => name === tablesOf(config, taker))
    : targets) {
    const found = await readPostgres(target, patience, async (query) =>
      // With the first task the tables are made: without one that is under way they need not be there.
      task === undefined ? true : (await haveTasks(query)) && (await isOpen(query, task)),
    ).catch((error: unknown) => {
      throw new CacheOpsError(
        'connect',
        `${target.address} is not healthy before the drill: ${explainPostgres(error, patience.timeout)}`,
        'nothing was broken; see cache-ops health',
      );
    });
    if (found) return target;
  }
  throw refused(`no task "${task}" is under way`, 'see cache-ops task ls --status processing');
}

async function demandBatch(
  postgres: PostgresTarget,
  task: string,
  { name, owner }: Worker,
  patience: Limits,
): Promise<void> {
  const batches = await readPostgres(postgres, patience, (query) => batchesOf(query, task, owner));
  if (batches.length === 0)
    throw refused(
      `${name} has no batch of task ${task} in hand (as owner ${owner})`,
      `see who has: cache-ops task show ${task}`,
    );
}
