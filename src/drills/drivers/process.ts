import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ControlConfig } from '../../config/schema.js';
import { CacheOpsError, codeOf } from '../../errors.js';
import type { Host } from '../../io.js';
import { identify, programOf } from '../../state/identity.js';
import type { Driver } from './driver.js';
import { rehearseShell } from './shell.js';

/** A Redis on this machine: SIGTERM to its process, a command to start it again. */
export function processDriver(
  { pidFile, start }: NonNullable<ControlConfig['process']>,
  host: Host,
): Driver {
  return {
    async prepare({ endpoint, tls, cwd, env, pid }) {
      if (pid === undefined) {
        throw refused(
          'Redis does not report its process id',
          'INFO may be forbidden for this user; use control.command instead',
        );
      }
      if ('host' in endpoint && !/^(127\.|localhost$|::1$)/.test(endpoint.host)) {
        throw refused(
          `${endpoint.host} is not this machine`,
          'control.process stops local processes; use control.command for a remote one',
        );
      }
      const filed = pidFile === undefined ? pid : readPid(resolve(cwd, pidFile));
      if (filed !== pid)
        throw refused(
          `${pidFile} says process ${filed}, Redis itself says ${pid}`,
          'the file belongs to another server',
        );
      // In a container Redis reports a pid of its own name space, which here is another process.
      const program = programOf(pid);
      const identity = identify(pid);
      if (!identity || !program || !/redis|valkey|keydb/i.test(program)) {
        throw refused(
          `process ${pid} is ${program ?? 'not there'}, not Redis`,
          'is it in a container? use control.command',
        );
      }
      try {
        host.kill(pid, 0);
      } catch (error) {
        throw refused(
          `process ${pid} may not be stopped by this user (${codeOf(error)})`,
          'run the drill as the user that runs Redis',
        );
      }
      await rehearseShell(start, { cwd, env });
      return { endpoint, tls, cwd, stop: identity, start };
    },
  };
}

function readPid(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8').trim());
  } catch (error) {
    throw refused(
      `cannot read the pid file ${file} (${codeOf(error)})`,
      'correct control.process.pidFile',
    );
  }
}

function refused(message: string, hint: string): CacheOpsError {
  return new CacheOpsError('refused', message, hint);
}
