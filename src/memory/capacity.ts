import * as z from 'zod/mini';
import { CacheOpsError } from '../errors.js';
import { LIMITS } from '../health/thresholds.js';
import { bytesOf } from '../redis/bytes.js';
import { cgroupLimit } from '../redis/cgroup.js';
import type { Channel, Limits } from '../redis/channel.js';
import { parseInfo } from '../redis/info.js';
import { memoryOf } from '../redis/memory.js';
import { isReached } from '../redis/probe.js';
import { everyServer } from '../redis/servers.js';
import { type Access, describe, type RedisTarget } from '../redis/target.js';
import { type Sizes, sampleSizes, spreadOf, together } from './sizes.js';

/** So many values of that size. */
export interface Item {
  name: string;
  count: number;
  /** Bytes each; undefined where only live keys know. */
  size: number | undefined;
  /** Live keys of this kind, as a glob. */
  live: string | undefined;
}

export interface Estimate {
  items: readonly Item[];
  /** Bytes beside the items. */
  overhead: number;
  /** Bytes, instead of the limit that a target has. */
  limit: number | undefined;
}

const bytes = z.number().check(z.describe('bytes'));
const maybe = z.nullable(bytes);

const VERDICTS = ['fits', 'tight', 'too_small', 'unknown'] as const;

const itemResult = z.object({
  name: z.string(),
  count: z.number(),
  size_bytes: bytes,
  total_bytes: bytes,
  /** What the size is from. */
  size_from: z.enum(['given', 'live']),
  live: z.nullable(
    z.object({
      match: z.string(),
      keys: z.number().check(z.describe('that were measured')),
      complete: z.boolean().check(z.describe('all keys that match were measured')),
      average_bytes: bytes,
      deviation_bytes: bytes,
      low_bytes: bytes.check(z.describe('with high_bytes: 95 % of averages lie between')),
      high_bytes: bytes,
      min_bytes: bytes,
      max_bytes: bytes,
    }),
  ),
});

const targetCapacity = z.object({
  /** Null: no Redis was asked, only the limit that was given. */
  target: z.nullable(z.string()),
  address: z.nullable(z.string()),
  /** Of all masters together. */
  limit_bytes: maybe,
  basis: z.nullable(z.enum(['given', 'maxmemory', 'capacity', 'cgroup', 'host'])),
  used_bytes: maybe.check(z.describe('in use now')),
  items: z.array(itemResult),
  overhead_bytes: bytes,
  needed_bytes: maybe,
  ratio: z.nullable(z.number()),
  /** fits: up to 80 %; tight: up to 100 %. */
  verdict: z.enum(VERDICTS),
  reachable: z.boolean(),
  /** Why something is not known, or a given size was used in the place of a live one. */
  remarks: z.array(z.string()),
});
export type TargetCapacity = z.infer<typeof targetCapacity>;

export const capacityResult = z.object({ targets: z.array(targetCapacity) });
export type CapacityResult = z.infer<typeof capacityResult>;

/** Keys of an item that are measured on a target, and how long that may take. */
const BUDGET = { keys: 1_000, ms: 10_000 };

/** The estimate against a limit alone. */
export function estimate(request: Estimate): TargetCapacity {
  const items = request.items.map((item) => sized(item, undefined, []));
  return judged(request, items, {
    target: null,
    address: null,
    limit_bytes: request.limit ?? null,
    basis: 'given',
    used_bytes: null,
    reachable: true,
    remarks: [],
  });
}

/** The estimate against the limit of a target, with the sizes of its live keys. Reads only. */
export async function estimateFor(
  target: RedisTarget,
  request: Estimate,
  limits: Limits,
): Promise<TargetCapacity> {
  const seen = await everyServer(target, limits, async (channel, access, announced) =>
    announced === 'replica' ? undefined : measure(channel, access, target, request, limits),
  );
  const masters = seen.filter(({ announced }) => announced !== 'replica');
  const remarks = masters.flatMap(({ address, problem }) =>
    problem ? `${address}: ${problem.reason}` : [],
  );
  const measured = masters.flatMap(({ value }) => value ?? []);
  const whole = remarks.length === 0 && measured.length > 0;
  const [hindrance] = remarks;
  if (hindrance !== undefined && request.items.some(({ size }) => size === undefined))
    throw new CacheOpsError('connect', `${target.name}: its keys cannot be measured: ${hindrance}`);
  const items = request.items.map((item, index) =>
    sized(item, together(measured.flatMap(({ sizes }) => sizes[index] ?? [])), remarks, target),
  );
  const known = measured.map(({ memory }) => memory);
  return judged(request, items, {
    target: target.name,
    address: describe(target),
    limit_bytes: request.limit ?? (whole ? total(known.map((memory) => memory.limit_bytes)) : null),
    basis: request.limit === undefined ? (known[0]?.basis ?? null) : 'given',
    used_bytes: whole ? total(known.map((memory) => memory.used_bytes)) : null,
    reachable: isReached(target, seen) && (target.kind !== 'cluster' || whole),
    remarks,
  });
}

async function measure(
  channel: Channel,
  { endpoint }: Access,
  { config }: RedisTarget,
  { items }: Estimate,
  { signal }: Limits,
) {
  channel.speakBytes();
  const reply = await channel.send('INFO');
  const info = typeof reply === 'string' ? parseInfo(reply) : {};
  const { capacity } = config;
  const sizes: (Sizes | undefined)[] = [];
  for (const { live } of items)
    sizes.push(
      live === undefined ? undefined : await sampleSizes(channel, bytesOf(live), BUDGET, signal),
    );
  return { memory: memoryOf(info, { capacity, cgroup: cgroupLimit(endpoint, info) }), sizes };
}

/** With the size of live keys where there are any; adds to `remarks` where the given one stands in. */
function sized(
  { name, count, size, live }: Item,
  sizes: Sizes | undefined,
  remarks: string[],
  target?: RedisTarget,
): TargetCapacity['items'][number] {
  if (live !== undefined && sizes && sizes.keys > 0) {
    const spread = { match: live, ...spreadOf(sizes) };
    const { average_bytes } = spread;
    return {
      name,
      count,
      size_bytes: average_bytes,
      total_bytes: count * average_bytes,
      size_from: 'live',
      live: spread,
    };
  }
  const reason = sizes?.refused ?? 'no key matches';
  if (live !== undefined && size !== undefined)
    remarks.push(`${name}: the given size, as ${live} could not be measured (${reason})`);
  if (size === undefined)
    throw new CacheOpsError(
      'not_found',
      `${target?.name}: the size of ${name} is not known: ${live} could not be measured (${reason})`,
      `give it a size: --item ${name}=${count}x50kb`,
    );
  return {
    name,
    count,
    size_bytes: size,
    total_bytes: count * size,
    size_from: 'given',
    live: null,
  };
}

type Known = Pick<
  TargetCapacity,
  'target' | 'address' | 'limit_bytes' | 'basis' | 'used_bytes' | 'reachable' | 'remarks'
>;

function judged(
  { overhead }: Estimate,
  items: TargetCapacity['items'],
  known: Known,
): TargetCapacity {
  const needed = items.reduce((sum, item) => sum + item.total_bytes, overhead);
  const ratio = known.limit_bytes === null ? null : needed / known.limit_bytes;
  const verdict =
    ratio === null
      ? 'unknown'
      : ratio > 1
        ? 'too_small'
        : ratio > LIMITS.memory.warn
          ? 'tight'
          : 'fits';
  return { ...known, items, overhead_bytes: overhead, needed_bytes: needed, ratio, verdict };
}

/** Null when one of them is not known: a part would pass for the whole. */
function total(parts: readonly (number | null)[]): number | null {
  return parts.reduce<number | null>(
    (sum, part) => (sum === null || part === null ? null : sum + part),
    0,
  );
}
