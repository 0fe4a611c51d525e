import { dirname } from 'node:path';
import type { Config } from '../config/load.js';
import { CacheOpsError, messageOf } from '../errors.js';
import type { Host } from '../io.js';
import { demand, type Limits, openChannel } from '../redis/channel.js';
import { parseInfo } from '../redis/info.js';
import { type Access, label, type RedisTarget } from '../redis/target.js';
import { commandDriver } from './drivers/command.js';
import type { Driver, Fault } from './drivers/driver.js';
import { processDriver } from './drivers/process.js';

/** A target that has been looked at before a drill: it is up, and this is how it would be stopped. */
export interface Prepared {
  target: RedisTarget;
  access: Access;
  address: string;
  fault: Fault;
  /** What keeps the data over a stop: `AOF`, `RDB`, or nothing. */
  persistence: string | undefined;
}

/**
 * Looks at a Redis and rehearses how it would be brought back. Throws `refused` when it is not
 * healthy, cannot be restored, or would lose its data.
 */
export async function prepare(
  target: RedisTarget,
  {
    config,
    env,
    cwd,
    host,
  }: { config: Config; env: Readonly<Record<string, string | undefined>>; cwd: string; host: Host },
  limits: Limits,
): Promise<Prepared> {
  const [access] = target.seeds;
  if (target.kind !== 'node' || !access) {
    throw new CacheOpsError(
      'refused',
      `${target.name} is a ${target.kind}: stopping one node would only fail over`,
      'this drill stops a single Redis',
    );
  }
  const driver = driverOf(target, host);
  const address = label(access.endpoint);
  const { info, saves } = await inspect(access, address, limits);
  const fault = await driver.prepare({
    endpoint: access.endpoint,
    tls: access.tls !== undefined,
    cwd: config.file ? dirname(config.file) : cwd,
    env,
    pid: info.process_id === undefined ? undefined : Number(info.process_id),
  });
  const persistence = info.aof_enabled === '1' ? 'AOF' : saves ? 'RDB' : undefined;
  return { target, access, address, fault, persistence };
}

function driverOf({ name, config }: RedisTarget, host: Host): Driver {
  const { control } = config;
  if (control?.process) return processDriver(control.process, host);
  if (control?.command) return commandDriver(control.command);
  throw new CacheOpsError(
    'refused',
    `no way to stop and start ${name} is configured`,
    `add redis.${name}.control: process: { start: "..." } for one on this machine, or command: { stop: "...", start: "..." }`,
  );
}

async function inspect(
  access: Access,
  address: string,
  limits: Limits,
): Promise<{ info: Record<string, string>; saves: boolean }> {
  try {
    const channel = await openChannel(access, limits);
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
      'nothing was stopped; see cache-ops ping',
    );
  }
}
