import { percentText } from '../words.js';

/** What decides how a server at its limit treats its keys. */
export interface Eviction {
  policy: string | null;
  /** maxmemory in bytes; 0 is no limit, null is not said. */
  maxmemory: number | null;
  roles: readonly ('cache' | 'queue')[];
  keys: number | null;
  no_ttl: number | null;
}

/** In words: what happens at the limit to the keys that are here. */
export function policyMeaning({ policy, maxmemory, roles, keys, no_ttl }: Eviction): string {
  if (policy === null) return 'the server does not say what it evicts';
  const never =
    maxmemory === 0
      ? `no limit is set, so ${policy} never applies: memory grows until the system ends the server. At a limit: `
      : '';
  const queue = roles.includes('queue');
  if (policy === 'noeviction') return `${never}${noEviction(queue, roles.includes('cache'))}`;
  const [, among = '', order = ''] = /^(allkeys|volatile)-(.*)$/.exec(policy) ?? [];
  const chosen = ORDER[order] ?? order;
  const lost = queue ? '; jobs are among them, and BullMQ needs noeviction' : '';
  if (among === 'allkeys') return `${never}any key is evicted, ${chosen}${lost}`;
  if (among !== 'volatile') return `${never}the policy ${policy} is not known here`;
  return `${never}only keys with a time to live are evicted, ${chosen}${lost}${evictable(keys, no_ttl)}`;
}

function noEviction(queue: boolean, cache: boolean): string {
  if (!queue) return 'nothing is evicted and writes fail: a cache stops taking new entries';
  return cache
    ? 'nothing is evicted and writes fail: right for the jobs, while cache entries only go by their time to live'
    : 'nothing is evicted and writes fail: right for jobs, of which none may be lost';
}

/** volatile-* on keys without a time to live is noeviction. */
function evictable(keys: number | null, no_ttl: number | null): string {
  if (!keys || no_ttl === null) return '';
  const there = keys - no_ttl;
  if (there === 0)
    return `: none of the ${keys} keys has one, so nothing is evicted and writes fail`;
  if (no_ttl === 0) return `: all ${keys} keys have one`;
  return `: ${there} of ${keys} keys (${percentText(there / keys)}) have one; once they are gone, writes fail`;
}

const ORDER: Record<string, string> = {
  lru: 'the longest unused first',
  lfu: 'the least often used first',
  random: 'at random',
  ttl: 'the soonest to expire first',
  // Valkey and Redis 8 may add others.
  lrm: 'the longest unmodified first',
};
