import type { ControlConfig } from '../../config/control.js';
import { commandDriver } from './command.js';
import { composeDriver } from './compose.js';
import { connectionDriver } from './connection.js';
import { dockerDriver } from './docker.js';
import type { Driver, Effect } from './driver.js';
import { kubernetesDriver } from './kubernetes.js';
import { processDriver } from './process.js';
import { refused } from './rehearse.js';
import { sshDriver } from './ssh.js';
import { systemdDriver } from './systemd.js';

/** The driver that the configuration gives a target. */
function configured(control: ControlConfig): Driver {
  if (control.process) return processDriver(control.process);
  if (control.command) return commandDriver(control.command);
  if (control.docker) return dockerDriver(control.docker);
  if (control.compose) return composeDriver(control.compose);
  if (control.systemd) return systemdDriver(control.systemd);
  if (control.kubernetes) return kubernetesDriver(control.kubernetes);
  if (control.ssh) return sshDriver(control.ssh);
  return connectionDriver;
}

/**
 * The driver for an effect: the configured one where it can, the connection where that can. Over the
 * connection nothing is stopped unless the configuration says so.
 */
export function chooseDriver(
  effect: Effect,
  target: string,
  control: ControlConfig | undefined,
): Driver {
  const drivers = [
    ...(control ? [configured(control)] : []),
    ...(effect === 'stop' ? [] : [connectionDriver]),
  ];
  const driver = drivers.find((candidate) => candidate[effect]);
  if (driver) return driver;
  throw refused(
    control
      ? `${configured(control).name} cannot ${effect} ${target}`
      : `no way to stop and start ${target} is configured`,
    `give redis.${target}.control one of: process: { start } for one on this machine, command: { stop, start }, docker: { container }, compose: { service }, systemd: { unit }, kubernetes: { namespace, workload }, ssh: { host, stop, start }, connection: true`,
  );
}
