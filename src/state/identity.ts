import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { codeOf } from '../errors.js';
import type { Host } from '../io.js';

/** A process that cannot be mistaken for a later one with the same number. */
export interface Identity {
  pid: number;
  /** When it was started, in the operating system's own form; equal means the same process. */
  started: string;
}

/** The identity of a process that is there; undefined otherwise. */
export function identify(pid: number): Identity | undefined {
  const started = startOf(pid);
  return started ? { pid, started } : undefined;
}

/** Whether that very process is still there. */
export function isAlive({ pid, started }: Identity): boolean {
  return startOf(pid) === started;
}

/** Sends a signal to that very process; false when it is gone. */
export function signalTo(host: Host, identity: Identity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    host.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/** The name of a process's program, without its folder. */
export function programOf(pid: number): string | undefined {
  return ps(pid, 'comm')?.split('/').pop();
}

function startOf(pid: number): string | undefined {
  try {
    // proc(5): the second field, the name, may hold spaces and parentheses; start time is field 22,
    // and a zombie (field 3: Z) has ended though its parent has not fetched its status yet.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch (error) {
    return codeOf(error) === 'ENOENT' && hasProc() ? undefined : ps(pid, 'lstart');
  }
}

function hasProc(): boolean {
  try {
    return readFileSync('/proc/self/stat').length > 0;
  } catch {
    return false;
  }
}

function ps(pid: number, field: 'comm' | 'lstart'): string | undefined {
  try {
    return (
      execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], {
        encoding: 'utf8',
        timeout: 2_000,
      }).trim() || undefined
    );
  } catch {
    return undefined;
  }
}
