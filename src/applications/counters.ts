import type { Application, Limits } from './client.js';

/** What an application counts of its cache. */
export interface CacheCounters {
  hits: number;
  misses: number;
  sets: number;
  errors: number;
  total_requests: number;
  hit_rate: number | null;
}

/** A JSON answer of an application, at a path beside that of its health; undefined without one. */
export async function readBeside(
  { config }: Application,
  name: string,
  { timeout, signal }: Limits,
): Promise<Record<string, unknown> | undefined> {
  const limit = AbortSignal.timeout(timeout);
  const url = new URL(name, config.health);
  try {
    const response = await fetch(url, {
      headers: config.headers,
      redirect: 'manual',
      signal: signal ? AbortSignal.any([limit, signal]) : limit,
    });
    const value: unknown = response.ok ? await response.json() : undefined;
    return value !== null && typeof value === 'object'
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The counters of an application that has them at `stats` beside its health. */
export async function readCounters(
  application: Application,
  limits: Limits,
): Promise<CacheCounters | undefined> {
  const { hits, misses, sets, errors, total_requests, hit_rate } =
    (await readBeside(application, 'stats', limits)) ?? {};
  const numbers = [hits, misses, sets, errors, total_requests];
  if (!numbers.every((value) => typeof value === 'number')) return undefined;
  return {
    hits,
    misses,
    sets,
    errors,
    total_requests,
    hit_rate: hit_rate ?? null,
  } as CacheCounters;
}
