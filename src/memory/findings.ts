import type { Finding, Status } from '../health/finding.js';
import { judgeMemory, LIMITS } from '../health/thresholds.js';
import { isFullByDesign } from '../redis/memory.js';
import { bytesText, percentText, spanText } from '../words.js';
import { judgeBuffers } from './buffers.js';
import type { Mendable, ServerFigures } from './result.js';

/** A server's figures, and what it is there for. */
export interface Subject extends ServerFigures {
  target: string;
  roles: readonly ('cache' | 'queue')[];
  /** Milliseconds since 1970. */
  now: number;
}

const DAY = 86_400_000;
/** A forecast further off than this alarms nobody. */
const SOON = 7 * DAY;
/** Part of the memory is on disk when the system holds so much less than is in use. */
const SWAPPED = 0.9;

/** What is abnormal, why, and the line that mends it. */
export function judge(subject: Subject): Mendable[] {
  return [
    ...judgeUse(subject),
    ...judgeLimit(subject),
    ...judgePolicy(subject),
    ...judgeForecast(subject),
    ...judgeSystem(subject),
    ...judgeBuffers(subject.breakdown, subject.memory.used_bytes, subject.version),
  ];
}

function found(status: Status, metric: string, message: string, mend: string | null) {
  return { status, metric, message, mend };
}

/** The share of the limit, and fragmentation, by the thresholds that `health` has. */
function judgeUse({ memory, breakdown, roles, target, missing }: Subject): Mendable[] {
  const { fragmentation } = breakdown;
  const refused = missing.find(({ command }) => command === 'INFO');
  const mend = ({ metric, status }: Finding): string | null => {
    if (metric === 'fragmentation') return mendFragmentation(fragmentation);
    if (status === 'unknown') return refused ? 'ACL SETUSER NAME +info +memory|stats' : null;
    return bigkeys(target);
  };
  return judgeMemory({ memory, fragmentation: fragmentation.ratio }, roles).map((finding) => ({
    ...finding,
    mend: mend(finding),
  }));
}

/** Where the holes are: between keys in pages in use, in pages that the allocator keeps, or elsewhere. */
function mendFragmentation(f: ServerFigures['breakdown']['fragmentation']): string | null {
  if ((f.allocator_ratio ?? 0) >= LIMITS.fragmentation.warn)
    return 'CONFIG SET activedefrag yes (where the build has it; else restart a replica and fail over)';
  if ((f.kept_ratio ?? 0) >= 1.2) return 'MEMORY PURGE';
  return null;
}

type LimitSubject = Pick<Subject, 'target' | 'roles' | 'refused_writes'> & {
  memory: Omit<Subject['memory'], 'peak_bytes'>;
};

export function judgeLimit({ memory, target, roles, refused_writes }: LimitSubject): Mendable[] {
  const { maxmemory_bytes, cgroup_bytes, host_bytes, limit_bytes, basis } = memory;
  const findings: Mendable[] = [];
  if (maxmemory_bytes === 0) {
    const share = basis === 'capacity' ? limit_bytes : limit_bytes && limit_bytes * 0.75;
    const mend = share ? `CONFIG SET maxmemory ${Math.floor(share)}` : null;
    const message = 'maxmemory is not set: it grows until the system ends it';
    findings.push(found('warn', 'limit', message, mend));
  }
  const room = cgroup_bytes ?? host_bytes;
  if (maxmemory_bytes && room && maxmemory_bytes > room) {
    const what = cgroup_bytes ? "its control group's" : "its host's";
    const message = `maxmemory ${bytesText(maxmemory_bytes)} is more than ${what} ${bytesText(room)}: the system would end it first`;
    findings.push(
      found('warn', 'limit', message, `CONFIG SET maxmemory ${Math.floor(room * 0.75)}`),
    );
  }
  if (refused_writes) {
    const message = `${refused_writes} writes were refused for want of memory since it started`;
    const mend = roles.includes('queue')
      ? bigkeys(target)
      : 'CONFIG SET maxmemory-policy allkeys-lru';
    findings.push(found('warn', 'refused_writes', message, mend));
  }
  return findings;
}

type PolicySubject = LimitSubject &
  Pick<Subject, 'keys' | 'no_ttl' | 'evicted_keys'> & { rate: { evicted: number | null } | null };

export function judgePolicy(subject: PolicySubject): Mendable[] {
  const { memory, roles, keys, no_ttl, evicted_keys, rate, target } = subject;
  const { policy, maxmemory_bytes } = memory;
  const findings: Mendable[] = [];
  const queue = roles.includes('queue');
  const set = (to: string) => `CONFIG SET maxmemory-policy ${to}`;
  if (queue && policy !== null && policy !== 'noeviction' && maxmemory_bytes !== 0)
    findings.push(
      found(
        'warn',
        'policy',
        `queues need maxmemory-policy noeviction, and it is ${policy}: jobs may be evicted`,
        set('noeviction'),
      ),
    );
  if (queue && (evicted_keys ?? 0) > 0) {
    const now = (rate?.evicted ?? 0) > 0;
    const message = `${evicted_keys} keys were evicted from a Redis with queues: jobs may be lost`;
    findings.push(found(now ? 'critical' : 'warn', 'evictions', message, set('noeviction')));
  }
  if (queue) return findings;
  if (policy === 'noeviction' && maxmemory_bytes)
    findings.push(
      found('warn', 'policy', 'at the limit writes fail: a cache should evict', set('allkeys-lru')),
    );
  if (keys && no_ttl) {
    const message = `${no_ttl} of ${keys} keys (${percentText(no_ttl / keys)}) never expire: in a cache each should`;
    findings.push(found('warn', 'no_ttl', message, bigkeys(target)));
    if (policy?.startsWith('volatile-') && no_ttl === keys && maxmemory_bytes)
      findings.push(
        found(
          'warn',
          'policy',
          `${policy} evicts nothing here, as no key has a time to live: at the limit writes fail`,
          set(policy.replace('volatile-', 'allkeys-').replace('allkeys-ttl', 'allkeys-lru')),
        ),
      );
  }
  return findings;
}

/** Not of a cache that evicts: it is meant to be full. */
function judgeForecast({ memory, roles, trend, target, now }: Subject): Mendable[] {
  if (isFullByDesign(memory, roles) || trend.bytes_per_day === null) return [];
  const due = (moment: string | null) =>
    moment === null ? Number.POSITIVE_INFINITY : Date.parse(moment) - now;
  const [share, left] =
    due(trend.reaches_80) > 0
      ? ([0.8, due(trend.reaches_80)] as const)
      : ([1, due(trend.reaches_100)] as const);
  if (left <= 0 || left > SOON) return [];
  const message = `${percentText(share)} of ${bytesText(memory.limit_bytes ?? 0)} in ${spanText(left)} at ${bytesText(trend.bytes_per_day)} a day`;
  return [found('warn', 'forecast', message, bigkeys(target))];
}

/** What the system holds for the process, which is what a control group counts. */
function judgeSystem({ memory, breakdown }: Subject): Mendable[] {
  const { rss_bytes: rss } = breakdown;
  const { used_bytes: used, cgroup_bytes } = memory;
  if (rss === null || used === null) return [];
  const findings: Mendable[] = [];
  if (used > LIMITS.fragmentation.bytes && rss < used * SWAPPED) {
    const message = `the system holds ${bytesText(rss)} of ${bytesText(used)}: the rest is swapped out, and slow`;
    findings.push(found('warn', 'swap', message, `CONFIG SET maxmemory ${Math.floor(rss)}`));
  }
  const share = cgroup_bytes ? rss / cgroup_bytes : 0;
  if (share > LIMITS.memory.warn) {
    const status = share > LIMITS.memory.critical ? 'critical' : 'warn';
    const message = `the process takes ${percentText(share)} of its control group's ${bytesText(cgroup_bytes ?? 0)}: over it the system ends it`;
    findings.push(found(status, 'cgroup', message, 'MEMORY PURGE'));
  }
  return findings;
}

const bigkeys = (target: string) => `cache-ops memory bigkeys ${target}`;
