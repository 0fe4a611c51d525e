import { versionIn } from '../redis/info.js';
import type { RedisFacts } from './redis-facts.js';
import { type Advised, advise, type Check } from './result.js';

interface Fault {
  id: string;
  what: string;
  /** The first good release of each line that got one; lines between the lowest and the highest got none. */
  redis: readonly string[];
  valkey: readonly string[];
}

/** From the security advisories of the two projects: github.com/redis/redis and valkey-io/valkey, /security/advisories. */
const FAULTS: readonly Fault[] = [
  {
    id: 'CVE-2025-49844',
    what: 'whoever may run Lua scripts can run code on the host',
    redis: ['6.2.20', '7.2.11', '7.4.6', '8.0.4', '8.2.2'],
    valkey: ['7.2.11', '8.0.6', '8.1.4'],
  },
  {
    id: 'CVE-2025-21605',
    what: 'a client without a password can fill the memory with output',
    redis: ['6.2.18', '7.2.8', '7.4.3', '8.0.0'],
    valkey: ['7.2.9', '8.0.3', '8.1.1'],
  },
  {
    id: 'CVE-2024-31228',
    what: 'a long pattern in KEYS, SCAN or an ACL ends the server',
    redis: ['6.2.16', '7.2.6', '7.4.1', '8.0.0'],
    valkey: ['7.2.7', '8.0.1'],
  },
];

/** Lines below these get no more corrections at all. https://redis.io/docs/latest/operate/oss_and_stack/install/ */
const OLDEST = { redis: '6.2', valkey: '7.2' } as const;

export const VERSION_CHECKS: readonly Check<RedisFacts>[] = [faults, endOfLife];

function faults({ info }: RedisFacts): Advised[] {
  const product = info.valkey_version ? 'valkey' : 'redis';
  const version = info.valkey_version ?? info.redis_version;
  if (!version) return [];
  const found = FAULTS.filter((fault) => isAffected(version, fault[product]));
  const [first] = found;
  if (!first) return [];
  return [
    advise('warn', 'version', {
      message: `${versionIn(info)} has known faults: ${found.map(({ id }) => id).join(', ')}`,
      why: `${first.what}; a packager may have corrected it without another version number`,
      mend: `upgrade to ${first[product].at(-1)}, or to ${nextInLine(version, first[product])}`,
    }),
  ];
}

function endOfLife({ info }: RedisFacts): Advised[] {
  const product = info.valkey_version ? 'valkey' : 'redis';
  const version = info.valkey_version ?? info.redis_version;
  if (!version || compare(version, OLDEST[product]) >= 0) return [];
  return [
    advise('warn', 'version', {
      message: `${versionIn(info)} is no longer maintained`,
      why: 'its faults stay; BullMQ asks for Redis 6.2 at least',
      mend: null,
    }),
  ];
}

/** A version of a line that has a corrected release is affected below it; of a line without one, below the highest. */
function isAffected(version: string, fixed: readonly string[]): boolean {
  const inLine = fixed.find((one) => lineOf(one) === lineOf(version));
  return compare(version, inLine ?? (fixed.at(-1) as string)) < 0;
}

/** The nearest release above it that has the correction. */
function nextInLine(version: string, fixed: readonly string[]): string {
  return fixed.find((one) => compare(one, version) > 0) ?? (fixed.at(-1) as string);
}

const lineOf = (version: string) => version.split('.').slice(0, 2).join('.');

function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (let at = 0; at < 3; at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
