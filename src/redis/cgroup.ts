import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Info, numberIn } from './info.js';
import type { Endpoint } from './target.js';

/** Where the kernel shows processes and control groups. */
export interface Kernel {
  proc: string;
  cgroups: string;
}
const KERNEL: Kernel = { proc: '/proc', cgroups: '/sys/fs/cgroup' };

/** INFO gives whole seconds, and the two clocks are read one after the other. */
const TOLERANCE_S = 3;
/** USER_HZ, in which /proc counts for programs whatever the kernel's own tick is: proc(5). */
const TICKS_PER_S = 100;

/**
 * The memory limit, in bytes, of the control group that a server on this machine is in; undefined
 * where it has none or cannot be known. Over the wire it cannot be seen, and the pid that a server
 * in a container reports is another process here: it counts only when that process is a Redis that
 * was started when the server says it was.
 */
export function cgroupLimit(
  endpoint: Endpoint,
  info: Info,
  kernel: Kernel = KERNEL,
): number | undefined {
  if ('host' in endpoint && !/^(127\.|localhost$|::1$)/.test(endpoint.host)) return undefined;
  const pid = numberIn(info, 'process_id');
  if (pid === null) return undefined;
  try {
    if (!isServer(pid, info, kernel)) return undefined;
    const groups = readFileSync(join(kernel.proc, String(pid), 'cgroup'), 'utf8');
    const limits = groups.split('\n').flatMap((line) => limitsOf(line, kernel));
    // Without a limit version 1 says the largest number of pages that fits a long.
    const host = numberIn(info, 'total_system_memory') ?? Number.POSITIVE_INFINITY;
    const least = Math.min(...limits);
    return least < host ? least : undefined;
  } catch {
    return undefined;
  }
}

function isServer(pid: number, info: Info, { proc }: Kernel): boolean {
  const clock = numberIn(info, 'server_time_usec');
  const uptime = numberIn(info, 'uptime_in_seconds');
  if (clock === null || uptime === null) return false;
  const stat = readFileSync(join(proc, String(pid), 'stat'), 'latin1');
  const end = stat.lastIndexOf(')');
  if (!/redis|valkey|keydb/i.test(stat.slice(stat.indexOf('(') + 1, end))) return false;
  const boot = /^btime (\d+)$/m.exec(readFileSync(join(proc, 'stat'), 'latin1'))?.[1];
  // Field 22; the first after the name is field 3.
  const ticks = stat.slice(end + 2).split(' ')[19];
  const started = Number(boot) + Number(ticks) / TICKS_PER_S;
  return Math.abs(clock / 1e6 - uptime - started) <= TOLERANCE_S;
}

/** `0::/system.slice/redis.service` of version 2, `4:memory:/redis` of version 1: cgroups(7). */
function limitsOf(line: string, { cgroups }: Kernel): number[] {
  const [, id, controllers = '', path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
  if (path === undefined) return [];
  if (id === '0') return upwards(path, (at) => limitIn(join(cgroups, at, 'memory.max')));
  if (!controllers.split(',').includes('memory')) return [];
  return upwards(path, (at) => limitIn(join(cgroups, 'memory', at, 'memory.limit_in_bytes')));
}

/** A group is bound by those it is in. */
function upwards(path: string, read: (path: string) => number | undefined): number[] {
  const found = read(path) ?? [];
  return [found, path === '/' ? [] : upwards(dirname(path), read)].flat();
}

function limitIn(file: string): number | undefined {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return /^\d+$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}
