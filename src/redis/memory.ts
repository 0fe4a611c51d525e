import * as z from 'zod/mini';
import { type Info, numberIn } from './info.js';

const count = z.nullable(z.number());

/** Memory against its limit; null is "not said". */
export const memoryUse = z.object({
  used_bytes: count,
  limit_bytes: count,
  /**
   * Where the limit is from: the server's own, the configuration's, that of the control group of
   * its process, or all memory of its host.
   */
  basis: z.nullable(z.enum(['maxmemory', 'capacity', 'cgroup', 'host'])),
  ratio: count,
  policy: z.nullable(z.string()),
});
export type MemoryUse = z.infer<typeof memoryUse>;

/** Limits that the server itself does not tell. */
export interface OtherLimits {
  capacity?: number | undefined;
  cgroup?: number | undefined;
}

/**
 * What memory is measured against: its own limit, else the configured capacity, else the control
 * group's, else the host's memory.
 */
export function memoryOf(info: Info, { capacity, cgroup }: OtherLimits): MemoryUse {
  const used = numberIn(info, 'used_memory');
  const own = numberIn(info, 'maxmemory');
  const host = numberIn(info, 'total_system_memory');
  const [limit, basis] = own
    ? ([own, 'maxmemory'] as const)
    : capacity
      ? ([capacity, 'capacity'] as const)
      : cgroup
        ? ([cgroup, 'cgroup'] as const)
        : host
          ? ([host, 'host'] as const)
          : ([null, null] as const);
  const counted = countedIn(info);
  return {
    used_bytes: used,
    limit_bytes: limit,
    basis,
    ratio: counted === null || limit === null ? null : counted / limit,
    policy: info.maxmemory_policy ?? null,
  };
}

/** What counts towards the limit: replication and AOF buffers do not. */
export function countedIn(info: Info): number | null {
  const used = numberIn(info, 'used_memory');
  return used === null ? null : used - (numberIn(info, 'mem_not_counted_for_evict') ?? 0);
}

/** A cache that evicts sits at its limit and is well; evictions and hit rate say how it does. */
export function isFullByDesign(
  { basis, policy }: MemoryUse,
  roles: readonly ('cache' | 'queue')[],
): boolean {
  return (
    basis === 'maxmemory' && !roles.includes('queue') && policy !== null && /^allkeys-/.test(policy)
  );
}
