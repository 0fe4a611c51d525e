import { dirname } from 'node:path';
import type { Config } from '../config/load.js';
import { CacheOpsError, messageOf } from '../errors.js';
import type { Io } from '../io.js';
import type { PostgresTarget } from '../postgres/target.js';
import { demand, type Limits, openChannel } from '../redis/channel.js';
import { type Info, parseInfo } from '../redis/info.js';
import { type Access, label, type RedisTarget } from '../redis/target.js';
import { chooseDriver } from './drivers/choose.js';
import type { Experiment } from './experiment.js';
import type { Fault } from './faults/fault.js';
import { signsIn } from './faults/liveness.js';
import { findMaster, type Master } from './master.js';
import { byProxy } from './proxy/control.js';
import type { Work } from './work.js';

/** A target that has been looked at before a drill: it is up, and this is how it would be broken. */
export interface Prepared {
  target: { name: string };
  /** How to sign in to a Redis; undefined for a Postgres. */
  access: Access | undefined;
  postgres?: PostgresTarget;
  /** Who takes writes, of a target that fails over. */
  master: Master | undefined;
  address: string;
  fault: Fault;
  /** The split task of a drill about workers. */
  work?: Work | undefined;
  /** What keeps the data over a stop: `AOF`, `RDB`, or nothing. */
  persistence: string | undefined;
  /** Asks the target itself, apart from what applications say. */
  ping(): Promise<boolean>;
}

/**
 * Looks at a Redis and rehearses how it would be brought back. Throws `refused` when it is not
 * healthy, cannot be restored, or would lose its data.
 */
export async function prepare(
  target: RedisTarget,
  { effect, limits, params }: Pick<Experiment, 'effect' | 'limits' | 'params'>,
  prefix: string,
  { config, env, cwd, host }: Pick<Io, 'env' | 'cwd' | 'host'> & { config: Config },
  patience: Limits,
): Promise<Prepared> {
  const { access, master } =
    effect === 'failover'
      ? await findMaster(target, patience)
      : { access: target.seeds[0], master: undefined };
  if (!access || (target.kind !== 'node' && effect !== 'failover')) {
    throw new CacheOpsError(
      'refused',
      `${target.name} is a ${target.kind}: breaking one node would only fail over`,
      'this drill breaks a single Redis',
    );
  }
  const act = chooseDriver(effect, target, target.config.control);
  const address = label(access.endpoint);
  const { info, saves } = await inspect(access, address, patience);
  const place = {
    endpoint: access.endpoint,
    tls: access.tls !== undefined,
    cwd: config.file ? dirname(config.file) : cwd,
  };
  const way = await act({ ...place, env, host, access, info, limits, params, prefix });
  return {
    target,
    access,
    master,
    address,
    fault: {
      ...place,
      target: target.name,
      config: { file: config.file ?? null, cwd },
      way,
    },
    // As applications reach it. Answers that are late on purpose are answers.
    ping: () =>
      signsIn(
        way.kind === 'toxic' ? byProxy(access, way.listen) : access,
        effect === 'latency' ? patience.timeout : 500,
      ),
    persistence: info.aof_enabled === '1' ? 'AOF' : saves ? 'RDB' : undefined,
  };
}

async function inspect(
  access: Access,
  address: string,
  patience: Limits,
): Promise<{ info: Info; saves: boolean }> {
  try {
    const channel = await openChannel(access, patience);
    try {
      const info = parseInfo(String(demand(await channel.send('INFO'))));
      const save = await channel.send('CONFIG', 'GET', 'save');
      return { info, saves: Array.isArray(save) && typeof save[1] === 'string' && save[1] !== '' };
    } finally {
      channel.close();
    }
  } catch (error) {
    throw new CacheOpsError(
      'connect',
      `${address} is not healthy before the drill: ${messageOf(error)}`,
      'nothing was broken; see cache-ops ping',
    );
  }
}
