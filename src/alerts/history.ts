import type { RedisLine } from '../health/result.js';
import { forecast } from '../memory/forecast.js';
import { remember, sinceRestart } from '../memory/samples.js';
import type { State } from '../state/folder.js';
import { elapsed, type Moment } from './clock-jump.js';
import type { AlertState, Counters } from './state.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What lies further back says nothing of now. */
const LONGEST_GAP = 2 * HOUR;

/**
 * Fills in what happened on a server since the last look: the rates that `health` measures over a sample.
 * They stay unknown after a restart or CONFIG RESETSTAT, and operations a second where clocks disagree.
 */
export function fillRates(state: AlertState, line: RedisLine, moment: Moment): RedisLine {
  if (!line.counters || line.operations_per_s === undefined) return line;
  const key = `${line.target}@${line.address}`;
  const before = state.counters[key];
  const now: Counters = {
    at: moment.now,
    ticks: moment.ticks,
    run_id: line.run_id ?? null,
    uptime_s: line.uptime_s ?? null,
    values: line.counters,
  };
  state.counters[key] = now;
  const sameBoot = state.boot !== null && state.boot === moment.boot;
  const passed = before ? elapsed(before, moment, sameBoot) : null;
  if (!before || passed === null || passed > LONGEST_GAP || !isSameLife(before, now)) return line;
  const grown = (field: string) => {
    const [from, to] = [before.values[field], now.values[field]];
    return from === undefined || to === undefined ? null : to - from;
  };
  const operations = grown('total_commands_processed');
  const [hits, misses] = [grown('keyspace_hits'), grown('keyspace_misses')];
  const lookups = hits === null || misses === null ? null : hits + misses;
  return {
    ...line,
    operations_per_s:
      operations !== null && clocksAgree(before, now, passed)
        ? Math.round((operations * 10 * SECOND) / passed) / 10
        : null,
    hit_rate: {
      sample: lookups && hits !== null ? hits / lookups : null,
      sample_lookups: lookups,
      since_boot: line.hit_rate?.since_boot ?? null,
    },
    evictions: { since_boot: line.evictions?.since_boot ?? null, sample: grown('evicted_keys') },
    rejected_connections: {
      since_boot: line.rejected_connections?.since_boot ?? null,
      sample: grown('rejected_connections'),
    },
  };
}

/** No restart and no CONFIG RESETSTAT in between: then no counter is lower than it was. */
function isSameLife(before: Counters, now: Counters): boolean {
  if (before.run_id !== now.run_id) return false;
  return Object.entries(before.values).every(([name, value]) => {
    const later = now.values[name];
    return later !== undefined && later >= value;
  });
}

/** The server's own idea of how long it was. It has whole seconds, and is set with its machine's clock. */
function clocksAgree(before: Counters, now: Counters, passed: number): boolean {
  // Too short to make a rate of.
  if (passed < SECOND / 2) return false;
  if (before.uptime_s === null || now.uptime_s === null) return true;
  const own = (now.uptime_s - before.uptime_s) * SECOND;
  return Math.abs(own - passed) <= Math.max(2 * SECOND, passed / 5);
}

/** A sample is kept so often: dense enough for the trend of an hour. */
const SAMPLED_EVERY = 5 * MINUTE;

/** Memory of a server in 24 hours as a share of its limit, by the trend of the last hour; null: not known yet. */
export function forecastRatio(
  state: AlertState,
  folder: State,
  line: RedisLine,
  { now }: Moment,
): number | null {
  const { memory, target, address } = line;
  if (!memory || memory.ratio === null || !memory.limit_bytes) return null;
  const key = `${target}@${address}`;
  const before = state.trends[key];
  const counted = memory.ratio * memory.limit_bytes;
  if (!before || now < before.at || now - before.at >= SAMPLED_EVERY) {
    const sample = {
      at: now,
      used: memory.used_bytes ?? counted,
      counted,
      peak: null,
      keys: line.keys ?? null,
      run: line.run_id ?? null,
    };
    const { samples } = remember(folder, key, sample);
    const points = sinceRestart(samples)
      .filter(({ at }) => at >= now - HOUR)
      .map(({ at, counted: bytes }) => ({ at, bytes }));
    state.trends[key] = { at: now, per_day: perDay(forecast(points, memory.limit_bytes)) };
  }
  const per_day = state.trends[key]?.per_day ?? null;
  return per_day === null ? null : (counted + per_day) / memory.limit_bytes;
}

function perDay({ bytes_per_day, reason }: ReturnType<typeof forecast>): number | null {
  if (bytes_per_day === null) return null;
  return reason === null ? bytes_per_day : 0;
}

/** So often, and so far back, the number of kept jobs is looked at. */
const COUNTED_EVERY = 10 * MINUTE;
const COUNTED_OVER = 6 * HOUR;

/** Kept jobs of a queue where they have become more over the last hours; 0 where not, null: not known yet. */
export function retainedGrowing(
  state: AlertState,
  queue: string,
  retained: number | null,
  { now }: Moment,
): number | null {
  if (retained === null) return null;
  const points = (state.retained[queue] ?? []).filter(
    ([at]) => at <= now && now - at <= COUNTED_OVER,
  );
  if (now - (points.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY) >= COUNTED_EVERY)
    points.push([now, retained]);
  state.retained[queue] = points;
  const { bytes_per_day, reason } = forecast(
    points.map(([at, bytes]) => ({ at, bytes })),
    Number.MAX_SAFE_INTEGER,
  );
  if (bytes_per_day === null) return null;
  return reason === null ? retained : 0;
}

/** Forgets what is remembered of servers and queues that nobody has seen for a day. */
export function forgetGone(state: AlertState, seen: ReadonlySet<string>, { now }: Moment): void {
  for (const [key, { at }] of Object.entries(state.counters))
    if (now - at > DAY) delete state.counters[key];
  for (const [key, { at }] of Object.entries(state.trends))
    if (now - at > DAY) delete state.trends[key];
  for (const [key, points] of Object.entries(state.retained))
    if (!seen.has(key) && now - (points.at(-1)?.[0] ?? 0) > DAY) delete state.retained[key];
}
