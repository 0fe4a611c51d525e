import type { PostgresFacts } from './postgres-facts.js';
import { type Advised, advise, type Check } from './result.js';
import { named } from './versions.js';

interface Fault {
  ids: readonly string[];
  what: string;
  /** The first good minor release of each major version. */
  fixed: Readonly<Record<number, number>>;
  source: string;
}

/** From https://www.postgresql.org/support/security/, the newest first: those of the server, not of its tools alone. */
const FAULTS: readonly Fault[] = [
  {
    ids: ['CVE-2026-16239'],
    what: 'a user of the database can run code on the host, by a cursor that is made anew',
    fixed: { 18: 6, 17: 11, 16: 15, 15: 19, 14: 24 },
    source: 'https://www.postgresql.org/support/security/CVE-2026-16239/',
  },
  {
    ids: ['CVE-2026-6473'],
    what: 'a user of the database can write beyond a buffer and run code on the host',
    fixed: { 18: 4, 17: 10, 16: 14, 15: 18, 14: 23 },
    source: 'https://www.postgresql.org/support/security/CVE-2026-6473/',
  },
  {
    ids: ['CVE-2026-2005', 'CVE-2026-2006'],
    what: 'a text or a ciphertext that is made for it can run code on the host',
    fixed: { 18: 2, 17: 8, 16: 12, 15: 16, 14: 21 },
    source: 'https://www.postgresql.org/support/security/CVE-2026-2006/',
  },
  {
    ids: ['CVE-2025-8713', 'CVE-2025-8714', 'CVE-2025-8715'],
    what: 'a dump can run code where it is restored; statistics show rows that a view hides',
    fixed: { 17: 6, 16: 10, 15: 14, 14: 19, 13: 22 },
    source: 'https://www.postgresql.org/support/security/CVE-2025-8714/',
  },
  {
    ids: ['CVE-2023-5868', 'CVE-2023-5869', 'CVE-2023-5870'],
    what: 'a user of the database can run code on the host, by a large array',
    fixed: { 16: 1, 15: 5, 14: 10, 13: 13, 12: 17, 11: 22 },
    source: 'https://www.postgresql.org/support/security/CVE-2023-5869/',
  },
  {
    ids: ['CVE-2023-2454', 'CVE-2023-2455'],
    what: 'whoever may create a schema can run code as a superuser',
    fixed: { 15: 3, 14: 8, 13: 11, 12: 15, 11: 20 },
    source: 'https://www.postgresql.org/support/security/CVE-2023-2454/',
  },
];

/** The last major version without corrections: 14 got none after November 2026. https://www.postgresql.org/support/versioning/ */
const OLDEST_MAJOR = 15;

export const VERSION_CHECKS: readonly Check<PostgresFacts>[] = [faults, endOfLife];

function faults({ version, versionNumber }: PostgresFacts): Advised[] {
  const [major, minor] = [Math.floor(versionNumber / 10_000), versionNumber % 10_000];
  const found = FAULTS.filter(({ fixed }) => {
    const good = fixed[major];
    if (good !== undefined) return minor < good;
    return major < Math.min(...Object.keys(fixed).map(Number));
  });
  const [first] = found;
  if (!first) return [];
  const ids = found.flatMap((fault) => fault.ids);
  const good = first.fixed[major];
  return [
    advise('warn', 'version', {
      message: `PostgreSQL ${version} has ${ids.length} known fault${ids.length > 1 ? 's' : ''}: ${named(ids)}`,
      why: `${first.what} (${first.source})`,
      mend:
        good === undefined
          ? 'upgrade to a major version that is maintained'
          : `upgrade to ${major}.${good}   (a minor release: new programs, the same data)`,
    }),
  ];
}

function endOfLife({ version, versionNumber }: PostgresFacts): Advised[] {
  if (versionNumber >= OLDEST_MAJOR * 10_000) return [];
  return [
    advise('warn', 'version', {
      message: `PostgreSQL ${version} is no longer maintained`,
      why: 'its faults stay',
      mend: null,
    }),
  ];
}
