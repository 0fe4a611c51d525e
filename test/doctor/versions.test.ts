import { describe, expect, it } from 'vitest';
import type { PostgresFacts } from '../../src/doctor/postgres-facts.js';
import { VERSION_CHECKS as POSTGRES } from '../../src/doctor/postgres-version.js';
import type { RedisFacts } from '../../src/doctor/redis-facts.js';
import { FAULTS } from '../../src/doctor/redis-faults.js';
import { VERSION_CHECKS as REDIS } from '../../src/doctor/redis-version.js';
import { compareVersions } from '../../src/doctor/versions.js';

const redis = (version: string) =>
  REDIS.flatMap((check) => check({ info: { redis_version: version } } as unknown as RedisFacts));
const valkey = (version: string) =>
  REDIS.flatMap((check) =>
    check({
      info: { redis_version: '7.2.4', server_name: 'valkey', valkey_version: version },
    } as unknown as RedisFacts),
  );
const postgres = (version: string) => {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  const facts = { version, versionNumber: major * 10_000 + minor };
  return POSTGRES.flatMap((check) => check(facts as unknown as PostgresFacts));
};

describe('versions with known faults', () => {
  it('names them, why, and the release that mends it, in the same line and the newest', () => {
    const [finding, ...others] = redis('7.2.10');
    expect(others).toEqual([]);
    expect(finding?.message).toBe(
      '7.2.10 has 5 known faults: CVE-2026-81934, CVE-2025-49844, CVE-2025-46817, CVE-2025-46818 and 1 more',
    );
    expect(finding?.why).toContain('https://redis.io/blog/security-advisory-cve-2026-81934/');
    expect(finding?.mend).toBe('upgrade to 7.2.16, or to 8.10.1');
  });

  it.each([
    ['6.2.24', 0],
    ['7.2.16', 0],
    ['8.10.1', 0],
    ['8.12.0', 0],
    // A line that got no correction is affected below the highest.
    ['7.0.15', 2],
    ['8.0.6', 2],
  ])('Redis %s: %i', (version, least) => {
    const findings = redis(version);
    if (least === 0) expect(findings).toEqual([]);
    else expect(findings.length).toBeGreaterThan(0);
  });

  it('takes Valkey by its own number, and says nothing of lines that no source is known for', () => {
    expect(valkey('9.1.1')).toEqual([]);
    expect(valkey('7.2.13')).toEqual([]);
    expect(valkey('8.1.4')[0]?.message).toContain('CVE-2026-56684');
    expect(valkey('8.1.4')[0]?.message).not.toContain('CVE-2025-49844');
    expect(valkey('8.1.3')[0]?.mend).toBe('upgrade to 8.1.9, or to 9.1.1');
  });

  it('old versions are faulty and no longer maintained', () => {
    expect(redis('6.0.16').map(({ message }) => message)).toEqual([
      expect.stringMatching(/^6\.0\.16 has \d+ known faults/),
      '6.0.16 is no longer maintained',
    ]);
  });

  it('the table is sound: lines once and in order, none before what has the fault, each with a source', () => {
    for (const { ids, source, ...products } of FAULTS) {
      for (const lines of [products.redis, products.valkey]) {
        if (!lines) continue;
        const { fixed, since = '0' } = lines;
        expect([...fixed].sort(compareVersions), ids.join()).toEqual(fixed);
        const names = fixed.map((version) => version.split('.').slice(0, 2).join('.'));
        expect(new Set(names).size, ids.join()).toBe(names.length);
        expect(compareVersions(fixed[0] as string, since), ids.join()).toBeGreaterThan(0);
      }
      for (const id of ids) expect(id).toMatch(/^CVE-20\d\d-\d{4,5}$/);
      expect(source).toMatch(/^https:\/\//);
    }
    const all = FAULTS.flatMap(({ ids }) => ids);
    expect(new Set(all).size).toBe(all.length);
  });

  it('Postgres, by its minor releases', () => {
    expect(postgres('16.15')).toEqual([]);
    expect(postgres('19.0')).toEqual([]);
    expect(postgres('15.16')[0]).toMatchObject({
      message: 'PostgreSQL 15.16 has 2 known faults: CVE-2026-16239, CVE-2026-6473',
      mend: 'upgrade to 15.19   (a minor release: new programs, the same data)',
    });
    expect(postgres('13.23').map(({ message }) => message)).toEqual([
      expect.stringContaining('has 4 known faults'),
      'PostgreSQL 13.23 is no longer maintained',
    ]);
  });
});
