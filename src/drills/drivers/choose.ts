import type { ControlConfig } from '../../config/control.js';
import type { RedisTarget } from '../../redis/target.js';
import type { Way } from '../faults/fault.js';
import { commandDriver } from './command.js';
import { composeDriver } from './compose.js';
import { connectionDriver } from './connection.js';
import { dockerDriver } from './docker.js';
import type { Driver, Effect, Subject } from './driver.js';
import { kubernetesDriver } from './kubernetes.js';
import { processDriver } from './process.js';
import { proxyDriver } from './proxy.js';
import { refused } from './rehearse.js';
import { sshDriver } from './ssh.js';
import { systemdDriver } from './systemd.js';

/** The drivers that the configuration gives a target: a proxy has its drills, another way all others. */
function configured(control: ControlConfig): Driver[] {
  const other = otherThanProxy(control);
  return [...(control.proxy ? [proxyDriver(control.proxy)] : []), ...(other ? [other] : [])];
}

function otherThanProxy(control: ControlConfig): Driver | undefined {
  if (control.process) return processDriver(control.process);
  if (control.command) return commandDriver(control.command);
  if (control.docker) return dockerDriver(control.docker);
  if (control.compose) return composeDriver(control.compose);
  if (control.systemd) return systemdDriver(control.systemd);
  if (control.kubernetes) return kubernetesDriver(control.kubernetes);
  if (control.ssh) return sshDriver(control.ssh);
  return control.connection && connectionDriver;
}

/** What is to be broken: of a Postgres nothing is done over its connection. */
interface Wanted {
  kind: RedisTarget['kind'] | 'postgres';
  name: string;
}

type Act = (subject: Subject) => Promise<Way>;

/** A master is taken away by whatever stops it. On another port its data outlives it, and a cluster follows it there. */
function actOf(driver: Driver, effect: Effect, kind: Wanted['kind']): Act | undefined {
  const overConnection = driver === connectionDriver;
  if (effect === 'restart') return overConnection ? undefined : driver.stop;
  // Only a worker is killed.
  if (effect === 'kill') return undefined;
  if (effect !== 'failover') return driver[effect];
  return overConnection && kind === 'cluster' ? undefined : driver.stop;
}

/**
 * The driver for an effect: the configured one where it can, the connection where that can. Over the
 * connection nothing is stopped unless the configuration says so.
 */
export function chooseDriver(
  effect: Effect,
  { kind, name }: Wanted,
  control: ControlConfig | undefined,
): Act {
  const drivers = [
    ...(control ? configured(control) : []),
    ...(effect === 'stop' || effect === 'restart' ? [] : [connectionDriver]),
  ];
  for (const driver of drivers) {
    const act = actOf(driver, effect, kind);
    if (act) return act;
  }
  const where = kind === 'postgres' ? 'postgres' : 'redis';
  throw refused(
    control
      ? `control.${configured(control)
          .map((driver) => driver.name)
          .join(' and control.')} has no way to do this to ${name} (${effect})`
      : `no way to stop and start ${name} is configured`,
    `give redis.${where}.${name}.control one of: process: { start } for one on this machine, command: { stop, start }, docker: { container }, compose: { service }, systemd: { unit }, kubernetes: { namespace, workload }, ssh: { host, stop, start }, connection: true`,
  );
}
