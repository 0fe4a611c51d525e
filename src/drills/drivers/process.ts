import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ControlConfig } from '../../config/control.js';
import { codeOf } from '../../errors.js';
import { numberIn } from '../../redis/info.js';
import { type Identity, identify, programOf } from '../../state/identity.js';
import type { Driver, Subject } from './driver.js';
import { refused, rehearseShell } from './rehearse.js';

/** A server on this machine: signals to its process, a command to start it again. */
export function processDriver({ pidFile, start }: NonNullable<ControlConfig['process']>): Driver {
  return {
    name: 'process',
    async stop(subject) {
      const identity = processOf(subject, pidFile);
      await rehearseShell(start, subject);
      // A Postgres that is asked by SIGTERM waits for every client to leave of itself.
      const signal = subject.postgres ? 'SIGINT' : 'SIGTERM';
      return { kind: 'process', ...identity, signal, start };
    },
    async hang(subject) {
      return { kind: 'freeze', ...processOf(subject, pidFile) };
    },
  };
}

function processOf(subject: Subject, pidFile: string | undefined): Identity {
  const { endpoint, cwd, host, info, postgres } = subject;
  const server = postgres ? 'Postgres' : 'Redis';
  if (postgres && pidFile === undefined)
    throw refused(
      'Postgres does not tell its process id',
      'add control.process.pidFile: postmaster.pid of its data folder',
    );
  const pid =
    postgres && pidFile !== undefined
      ? readPid(resolve(cwd, pidFile))
      : numberIn(info, 'process_id');
  if (pid === null) {
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
  if (!identity || !program || !PROGRAMS[server].test(program)) {
    throw refused(
      `process ${pid} is ${program ?? 'not there'}, not ${server}`,
      'is it in a container? use control.docker',
    );
  }
  try {
    host.kill(pid, 0);
  } catch (error) {
    throw refused(
      `process ${pid} may not be stopped by this user (${codeOf(error)})`,
      `run the drill as the user that runs ${server}`,
    );
  }
  return identity;
}

const PROGRAMS = { Redis: /redis|valkey|keydb/i, Postgres: /^post(gres|master)/ };

function readPid(file: string): number {
  try {
    // Postgres writes more lines behind it.
    return Number.parseInt(readFileSync(file, 'utf8'), 10);
  } catch (error) {
    throw refused(
      `cannot read the pid file ${file} (${codeOf(error)})`,
      'correct control.process.pidFile',
    );
  }
}
