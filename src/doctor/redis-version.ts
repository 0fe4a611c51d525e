import { versionIn } from '../redis/info.js';
import type { RedisFacts } from './redis-facts.js';
import { FAULTS, type Fault } from './redis-faults.js';
import { type Advised, advise, type Check } from './result.js';
import { compareVersions, highestVersion, named } from './versions.js';

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
  const ids = found.flatMap((fault) => fault.ids);
  return [
    advise('warn', 'version', {
      message: `${versionIn(info)} has ${ids.length} known fault${ids.length > 1 ? 's' : ''}: ${named(ids)}`,
      why: `${first.what} (${first.source}); a packager may have corrected it without another version number`,
      mend: `upgrade to ${goodReleases(version, found, product).join(', or to ')}`,
    }),
  ];
}

function endOfLife({ info }: RedisFacts): Advised[] {
  const product = info.valkey_version ? 'valkey' : 'redis';
  const version = info.valkey_version ?? info.redis_version;
  if (!version || compareVersions(version, OLDEST[product]) >= 0) return [];
  return [
    advise('warn', 'version', {
      message: `${versionIn(info)} is no longer maintained`,
      why: 'its faults stay; BullMQ asks for Redis 6.2 at least',
      mend: null,
    }),
  ];
}

/** A version of a line that has a corrected release is affected below it; of a line without one, below the highest. */
function isAffected(version: string, lines: Fault['redis']): boolean {
  if (!lines || compareVersions(version, lines.since ?? '0') < 0) return false;
  const good = fixedInLine(version, lines.fixed) ?? highestVersion(lines.fixed) ?? version;
  return compareVersions(version, good) < 0;
}

/** The release of the same line that has every correction, if there is one, and the newest of all. */
function goodReleases(
  version: string,
  found: readonly Fault[],
  product: 'redis' | 'valkey',
): string[] {
  const fixed = found.flatMap((fault) => fault[product] ?? []).map((lines) => lines.fixed);
  const inLine = fixed.map((releases) => fixedInLine(version, releases));
  const near = inLine.every((release) => release !== undefined)
    ? highestVersion(inLine as string[])
    : undefined;
  return [...new Set([near, highestVersion(fixed.flat())])].filter((one) => one !== undefined);
}

const fixedInLine = (version: string, fixed: readonly string[]) =>
  fixed.find((one) => lineOf(one) === lineOf(version));

const lineOf = (version: string) => version.split('.').slice(0, 2).join('.');
