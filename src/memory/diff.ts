import * as z from 'zod/mini';
import { align, type Mass } from './align.js';
import { headSchema, type Report, type ReportKey } from './report.js';

const figure = z.nullable(z.number());

/**
 * How something changed from one report to the other. `unclear` says that the reports do not tell: a
 * sample's interval holds both, or keys may be missing in a partial one. A key that is among the
 * largest of one report only has `entered` or `left` them; its size in the other is not known.
 */
const changeSchema = z.object({
  name: z.string(),
  change: z.enum(['grown', 'shrunk', 'new', 'gone', 'same', 'unclear', 'entered', 'left']),
  keys_before: figure,
  keys_after: figure,
  keys_change: figure,
  bytes_before: figure,
  bytes_after: figure,
  bytes_change: figure,
  /** Of all bytes of the report, 0 to 1. */
  share_before: figure,
  share_after: figure,
});
export type Change = z.infer<typeof changeSchema>;

export const diffSchema = z.object({
  before: headSchema,
  after: headSchema,
  /** Why the two cannot be compared just like that. */
  warnings: z.array(z.string()),
  total: changeSchema,
  /** All lists: what changed, the largest change of bytes first. */
  types: z.array(changeSchema),
  groups: z.array(changeSchema),
  keys: z.array(changeSchema),
});
export type Diff = z.infer<typeof diffSchema>;

/** What grew and what shrank between two reports. */
export function diffReports(before: Report, after: Report): Diff {
  const judge = judgeOf(before, after);
  return {
    before: headSchema.parse(before),
    after: headSchema.parse(after),
    warnings: warningsOf(before, after),
    total: judge('all keys', before.tree, after.tree),
    types: changed(
      union(
        before.types.map(({ type }) => type),
        after.types.map(({ type }) => type),
      ).map((type) =>
        judge(
          type,
          before.types.find((each) => each.type === type),
          after.types.find((each) => each.type === type),
        ),
      ),
    ),
    groups: changed(
      align(before.tree, after.tree).map((pair) => judge(pair.pattern, pair.before, pair.after)),
    ),
    keys: changed(keyChanges(before, after)),
  };
}

type Judge = (name: string, before: Mass | undefined, after: Mass | undefined) => Change;

function judgeOf(before: Report, after: Report): Judge {
  const share = (mass: Mass | undefined, { totals }: Report): number =>
    mass && totals.bytes > 0 ? mass.bytes / totals.bytes : 0;
  return (name, was, is) => {
    const keys = { before: was?.keys ?? 0, after: is?.keys ?? 0 };
    const bytes = { before: was?.bytes ?? 0, after: is?.bytes ?? 0 };
    const grew = bytes.after - bytes.before || keys.after - keys.before;
    return {
      name,
      change: isUnclear(before, after, was, is, grew) ? 'unclear' : wordFor(!!was, !!is, grew),
      keys_before: keys.before,
      keys_after: keys.after,
      keys_change: keys.after - keys.before,
      bytes_before: bytes.before,
      bytes_after: bytes.after,
      bytes_change: bytes.after - bytes.before,
      share_before: share(was, before),
      share_after: share(is, after),
    };
  };
}

function isUnclear(
  before: Report,
  after: Report,
  was: Mass | undefined,
  is: Mass | undefined,
  grew: number,
): boolean {
  if (grew === 0 && was && is) return false;
  // What a partial report lacks may be there all the same.
  if (before.partial !== null && grew > 0) return true;
  if (after.partial !== null && grew < 0) return true;
  if (!before.sampled && !after.sampled) return false;
  const [a, b] = [between(was, before), between(is, after)];
  return !a || !b || (a.low <= b.high && b.low <= a.high);
}

/** What is certain of the bytes; undefined where nothing is, as of a group that a sample did not see. */
function between(
  mass: Mass | undefined,
  report: Report,
): { low: number; high: number } | undefined {
  if (report.sampled) return mass?.bytes_between;
  const bytes = mass?.bytes ?? 0;
  return { low: bytes, high: bytes };
}

function warningsOf(before: Report, after: Report): string[] {
  const warnings: string[] = [];
  for (const [which, report] of [
    ['earlier', before],
    ['later', after],
  ] as const) {
    if (report.partial !== null) {
      warnings.push(`The ${which} report is PARTIAL (${report.partial}): it lacks keys.`);
    }
    if (report.sampled) {
      const { part, of } = report.sampled;
      warnings.push(
        `The ${which} report is a SAMPLE of ${part}/${of}: what is within its interval is "unclear".`,
      );
    }
  }
  const filters = [before, after].map(({ filter }) => JSON.stringify(filter));
  if (filters[0] !== filters[1]) {
    warnings.push('They were made with DIFFERENT FILTERS: they are not about the same keys.');
  }
  if (before.target !== after.target) {
    warnings.push(`They are of different targets: ${before.target} and ${after.target}.`);
  }
  const sizes = [before, after].map(({ sizes_by, samples }) => `${sizes_by} ${samples ?? ''}`);
  if (sizes[0] !== sizes[1]) {
    warnings.push(
      `Sizes were found in different ways (${before.sizes_by}, ${after.sizes_by}): small changes may come from that.`,
    );
  }
  if (before.at > after.at) warnings.push('The second report is the older one.');
  return warnings;
}

function keyChanges(before: Report, after: Report): Change[] {
  const was = new Map(before.top.map((key) => [nameOf(key), key]));
  const is = new Map(after.top.map((key) => [nameOf(key), key]));
  // Where every key is listed, one that is not was not there.
  const allBefore = before.top.length >= before.totals.keys && isWhole(before);
  const allAfter = after.top.length >= after.totals.keys && isWhole(after);
  // A key that a partial report or a sample does not list may be as large as ever; and the largest of
  // a sample are not the largest.
  const sampled = before.sampled !== null || after.sampled !== null;
  const names = union([...was.keys()], [...is.keys()]).filter(
    (name) =>
      (was.has(name) && is.has(name)) ||
      (!sampled && (was.has(name) ? isWhole(after) : isWhole(before))),
  );
  return names.map((name) => {
    const [a, b] = [was.get(name), is.get(name)];
    const known = {
      before: a?.bytes ?? (allBefore ? 0 : null),
      after: b?.bytes ?? (allAfter ? 0 : null),
    };
    const grew = known.before === null || known.after === null ? null : known.after - known.before;
    const key = b ?? a;
    return {
      name: key ? `${key.key}${key.db === 0 ? '' : ` (db ${key.db})`}` : name,
      change: wordFor(a !== undefined, b !== undefined, grew),
      keys_before: null,
      keys_after: null,
      keys_change: null,
      bytes_before: known.before,
      bytes_after: known.after,
      bytes_change: grew,
      share_before: null,
      share_after: null,
    };
  });
}

function wordFor(was: boolean, is: boolean, grew: number | null): Change['change'] {
  if (grew === null) return was ? 'left' : 'entered';
  if (!was) return 'new';
  if (!is) return 'gone';
  if (grew === 0) return 'same';
  return grew > 0 ? 'grown' : 'shrunk';
}

const isWhole = ({ partial, sampled }: Report): boolean => partial === null && !sampled;

/** A cluster may have moved it, so that its server says nothing. */
const nameOf = ({ db, key, key_base64 }: ReportKey): string => `${db} ${key_base64 ?? ''} ${key}`;

/** Without what stayed the same; by the change of bytes, or by the size where that is not known. */
function changed(changes: Change[]): Change[] {
  const weight = ({ bytes_change, bytes_before, bytes_after }: Change): number =>
    Math.abs(bytes_change ?? bytes_after ?? bytes_before ?? 0);
  return changes
    .filter(({ change }) => change !== 'same')
    .sort((a, b) => weight(b) - weight(a) || (a.name < b.name ? -1 : 1));
}

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])];
