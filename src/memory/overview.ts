import { setTimeout as sleep } from 'node:timers/promises';
import { type Finding, type Status, worst } from '../health/finding.js';
import { monotonic } from '../monotonic.js';
import type { Advice } from '../redis/advice/advice.js';
import { cgroupLimit } from '../redis/cgroup.js';
import type { Channel, Limits } from '../redis/channel.js';
import { type Info, keysIn, numberIn, roleIn, versionIn } from '../redis/info.js';
import { countedIn, memoryOf } from '../redis/memory.js';
import { isReached } from '../redis/probe.js';
import { everyServer } from '../redis/servers.js';
import { type Access, label, type RedisTarget } from '../redis/target.js';
import type { State } from '../state/folder.js';
import { breakdownOf, databasesOf } from './breakdown.js';
import { judge } from './findings.js';
import { forecast, type Point, reach } from './forecast.js';
import { policyMeaning } from './policy.js';
import { type Reading, read } from './reading.js';
import type { Rate, ServerFigures, ServerMemory } from './result.js';
import { remember, type Sample, sinceRestart } from './samples.js';

export interface Overview extends Limits {
  /** Milliseconds after which a second reading gives a rate; 0 takes none. */
  sample: number;
  /** Where the samples for the trend are. */
  state: State;
  now: () => number;
}

/** What was seen of a target. */
export interface Inspected {
  servers: ServerMemory[];
  /** Whether an application could connect to it. */
  reached: boolean;
  /** Why a sample could not be kept. */
  unwritable: string | null;
}

/** The memory of every server of a target, at the same time. Reads only, but for its own samples. */
export async function inspectMemory(target: RedisTarget, options: Overview): Promise<Inspected> {
  const seen = await everyServer(target, options, (channel, access) =>
    look(channel, access, target, options),
  );
  const { name, config } = target;
  const servers = seen.map(({ address, value, problem }): ServerMemory => {
    if (!value) return unreachable(target, address, problem);
    const { figures } = value;
    const findings = judge({ ...figures, target: name, roles: config.roles, now: options.now() });
    const status = worst(findings.map((finding) => finding.status));
    return { target: name, address, reachable: true, status, findings, ...figures };
  });
  const [unwritable = null] = seen.flatMap(({ value }) => value?.unwritable ?? []);
  return { servers, reached: isReached(target, seen), unwritable };
}

async function look(
  channel: Channel,
  { endpoint }: Access,
  target: RedisTarget,
  { sample, state, now, signal }: Overview,
): Promise<{ figures: ServerFigures; unwritable: string | null }> {
  const first = await read(channel);
  const began = now();
  const clock = monotonic();
  const kept = keep(state, target, label(endpoint), first, began);
  const { capacity, roles } = target.config;
  const { info } = first;
  const cgroup = cgroupLimit(endpoint, info);
  const memory = memoryOf(info, { capacity, cgroup });
  const databases = databasesOf(first);
  const maxmemory = numberIn(info, 'maxmemory');
  const keys = keysOf(first);
  // Without INFO it is not known which keys expire.
  const no_ttl =
    info.redis_version === undefined ? null : databases.reduce((sum, db) => sum + db.no_ttl, 0);
  const figures: ServerFigures = {
    role: roleIn(info),
    version: versionIn(info),
    uptime_s: numberIn(info, 'uptime_in_seconds'),
    memory: {
      ...memory,
      peak_bytes: numberIn(info, 'used_memory_peak'),
      maxmemory_bytes: maxmemory,
      cgroup_bytes: cgroup ?? null,
      host_bytes: numberIn(info, 'total_system_memory'),
    },
    policy_meaning: policyMeaning({ policy: memory.policy, maxmemory, roles, keys, no_ttl }),
    evicted_keys: numberIn(info, 'evicted_keys'),
    expired_keys: numberIn(info, 'expired_keys'),
    refused_writes: refusedWrites(info),
    keys,
    no_ttl,
    breakdown: breakdownOf(first),
    databases,
    trend: forecast(kept.points, memory.limit_bytes),
    rate: null,
    missing: first.missing,
  };
  if (sample > 0) {
    await sleep(sample, undefined, signal ? { signal } : {});
    const second = await read(channel);
    const over = monotonic() - clock;
    figures.rate = rateOf(first, second, { at: began + over, over }, memory.limit_bytes);
  }
  return { figures, unwritable: kept.unwritable };
}

/** Adds to the samples of this server; its points since the last restart or flush, the oldest first. */
function keep(
  state: State,
  { name }: RedisTarget,
  address: string,
  reading: Reading,
  at: number,
): { points: Point[]; unwritable: string | null } {
  const { info } = reading;
  const used = numberIn(info, 'used_memory');
  const counted = countedIn(info);
  if (used === null || counted === null) return { points: [], unwritable: null };
  const sample: Sample = {
    at,
    used,
    counted,
    peak: numberIn(info, 'used_memory_peak'),
    keys: keysOf(reading),
    run: info.run_id ?? null,
  };
  const { samples, unwritable } = remember(state, `${name}@${address}`, sample);
  const points = sinceRestart(samples).map(({ at: when, counted: bytes }) => ({ at: when, bytes }));
  return { points, unwritable };
}

/** What happened between two readings, the second at `at`; null where the server was restarted. */
function rateOf(
  first: Reading,
  second: Reading,
  { at, over }: { at: number; over: number },
  limit: number | null,
): Rate | null {
  const [before, after] = [first.info, second.info];
  if (before.run_id !== after.run_id) return null;
  const bytes = countedIn(after);
  const grown = difference(countedIn(before), bytes);
  const slope = grown === null ? null : grown / over;
  const keys = difference(keysOf(first), keysOf(second));
  const counter = (field: string) => {
    const more = difference(numberIn(before, field), numberIn(after, field));
    // CONFIG RESETSTAT sets them to 0.
    return more !== null && more < 0 ? null : more;
  };
  return {
    over_ms: Math.round(over),
    bytes_per_s: slope === null ? null : Math.round(slope * 1_000),
    keys_per_s: keys === null ? null : Math.round((keys * 10_000) / over) / 10,
    evicted: counter('evicted_keys'),
    expired: counter('expired_keys'),
    ...reach(bytes === null ? undefined : { at, bytes }, slope, limit),
  };
}

const difference = (from: number | null, to: number | null) =>
  from === null || to === null ? null : to - from;

const keysOf = ({ info, stats }: Reading) => keysIn(info) ?? stats.figures['keys.count'] ?? null;

/** `errorstat_OOM:count=5`; Redis before 6.2 counts no errors by their kind. */
function refusedWrites(info: Info): number | null {
  if (!Object.keys(info).some((field) => field.startsWith('errorstat'))) return null;
  return Number(/count=(\d+)/.exec(info.errorstat_OOM ?? '')?.[1] ?? 0);
}

function unreachable(
  { name }: RedisTarget,
  address: string,
  problem: Advice | undefined,
): ServerMemory {
  const { code = 'failed', reason = '', next = [], reachable = false } = problem ?? {};
  // It is on its way up, not down.
  const status: Status = code === 'loading' ? 'warn' : 'critical';
  const finding: Finding = { metric: code, status, message: reason };
  const findings = [{ ...finding, mend: next[0] ?? null }];
  return { target: name, address, reachable, status, findings };
}
