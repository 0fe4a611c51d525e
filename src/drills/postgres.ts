import { dirname } from 'node:path';
import type { ControlConfig } from '../config/control.js';
import type { Config } from '../config/load.js';
import { CacheOpsError } from '../errors.js';
import type { Io } from '../io.js';
import { type Limits, readPostgres } from '../postgres/client.js';
import { explainPostgres } from '../postgres/explain.js';
import { type PostgresTarget, postgresTargets } from '../postgres/target.js';
import type { Endpoint } from '../redis/target.js';
import { chooseDriver } from './drivers/choose.js';
import { refused } from './drivers/rehearse.js';
import type { Experiment } from './experiment.js';
import type { Fault } from './faults/fault.js';
import { liveness } from './faults/liveness.js';
import type { Prepared } from './subject.js';

/** Looks at a Postgres and rehearses how it would be brought back. Throws as `prepare` does. */
export async function preparePostgres(
  target: PostgresTarget,
  control: ControlConfig | undefined,
  { effect, limits, params }: Pick<Experiment, 'effect' | 'limits' | 'params'>,
  prefix: string,
  { config, env, cwd, host }: Pick<Io, 'env' | 'cwd' | 'host'> & { config: Config },
  patience: Limits,
): Promise<Prepared> {
  const { name, address } = target;
  if (control?.connection)
    throw refused('Postgres is not stopped over its own connection', 'give it another control');
  const act = chooseDriver(effect, { kind: 'postgres', name }, control);
  await demandHealthy(target, patience);
  const place = { ...placeOf(target), cwd: config.file ? dirname(config.file) : cwd };
  const { endpoint } = place;
  const way = await act({
    ...place,
    env,
    host,
    access: { endpoint },
    info: {},
    limits,
    params,
    prefix,
  });
  return {
    target: { name },
    access: undefined,
    master: undefined,
    postgres: target,
    address,
    fault: { ...place, target: name, config: { file: config.file ?? null, cwd }, way },
    ping: async () => (await liveness(place, 500)) === 'up',
    // What is committed is on disk.
    persistence: 'WAL',
  };
}

/** Postgres by its name; the only one without. */
export function selectPostgres(config: Config, name: string | undefined): PostgresTarget {
  const targets = postgresTargets(config);
  const chosen = name === undefined ? targets : targets.filter((target) => target.name === name);
  const [target, ...others] = chosen;
  if (target && others.length === 0) return target;
  throw new CacheOpsError(
    targets.length === 0 ? 'config' : 'usage',
    targets.length === 0
      ? 'no Postgres is configured'
      : name === undefined
        ? 'there is more than one Postgres: say which'
        : `no Postgres is named "${name}"`,
    targets.length === 0
      ? 'add it under postgres, or set DATABASE_URL'
      : `one of ${targets.map((each) => each.name).join(', ')}`,
  );
}

function placeOf({
  url,
}: PostgresTarget): Pick<Fault, 'tls' | 'postgres'> & { endpoint: Endpoint } {
  const { hostname, port, username, pathname, searchParams } = new URL(url);
  const host = searchParams.get('host') ?? (hostname || 'localhost');
  const number = Number(port || 5432);
  const user = decodeURIComponent(username) || 'postgres';
  return {
    endpoint: host.startsWith('/')
      ? { path: `${host}/.s.PGSQL.${number}` }
      : { host: host.replace(/^\[(.*)\]$/, '$1'), port: number },
    tls: false,
    postgres: { user, database: decodeURIComponent(pathname.slice(1)) || user },
  };
}

async function demandHealthy(target: PostgresTarget, patience: Limits): Promise<void> {
  try {
    await readPostgres(target, patience, (query) => query('SELECT 1'));
  } catch (error) {
    throw new CacheOpsError(
      'connect',
      `${target.address} is not healthy before the drill: ${explainPostgres(error, patience.timeout)}`,
      'nothing was broken; see cache-ops health',
    );
  }
}
