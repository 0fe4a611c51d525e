import type { ControlConfig } from '../../config/schema.js';
import type { Driver } from './driver.js';
import { rehearseShell } from './shell.js';

/** A Redis that one shell command stops and another starts. */
export function commandDriver({ stop, start }: NonNullable<ControlConfig['command']>): Driver {
  return {
    async prepare({ endpoint, tls, cwd, env }) {
      await rehearseShell(stop, { cwd, env });
      await rehearseShell(start, { cwd, env });
      return { endpoint, tls, cwd, stop: { command: stop }, start };
    },
  };
}
