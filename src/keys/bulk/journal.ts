import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { type LinesFile, openLines, valuesOf } from '../../state/lines.js';
import { type Counts, countsSchema, noCounts, RESULTS } from './store.js';

const reported = z.object({
  /** Bytes, one latin1 character each. */
  key: z.string(),
  result: z.enum(RESULTS),
  detail: z.nullable(z.string()),
  /** A run that was killed had begun with it: that run may be who has changed it. */
  in_doubt: z.boolean(),
});
/** What became of one key. */
export type Reported = z.infer<typeof reported>;

/**
 * A line of the journal. `begin` is on disk before a chunk is applied, `end` after it, with the keys
 * that were not done in between. `begin` and `end` count keys from the start; `offset` is where the
 * next chunk starts in the file of chosen keys, in bytes.
 */
const lineSchema = z.union([
  z.object({ begin: z.number(), keys: z.number() }),
  z.object({ end: z.number(), offset: z.number(), counts: countsSchema, in_doubt: z.number() }),
  reported,
]);
type Line = z.infer<typeof lineSchema>;

/** How far a change has come. */
export interface Journal {
  /** Keys with a result, and where the first one without is in the file of chosen keys. */
  position: number;
  offset: number;
  /** Keys before this place may have been changed by a run that was killed before it said so. */
  begun: number;
  counts: Counts;
  in_doubt: number;
  /** The first of those that were not done. */
  others: Reported[];
}

const fileOf = (folder: string) => join(folder, 'journal.ndjson');

export function openJournal(folder: string): LinesFile<Line> {
  return openLines(fileOf(folder));
}

/** Reads the journal; `keep` others at most are held. A line that was cut off counts for nothing. */
export async function readJournal(folder: string, keep: number): Promise<Journal> {
  const journal: Journal = {
    position: 0,
    offset: 0,
    begun: 0,
    counts: noCounts(),
    in_doubt: 0,
    others: [],
  };
  if (!existsSync(fileOf(folder))) return journal;
  // Those of a chunk count when its end is there too.
  let pending: Reported[] = [];
  const read = (line: Line) => {
    if ('begin' in line) {
      journal.begun = Math.max(journal.begun, line.begin + line.keys);
      pending = [];
    } else if ('end' in line) {
      journal.position = line.end;
      journal.offset = line.offset;
      journal.in_doubt += line.in_doubt;
      for (const result of RESULTS) journal.counts[result] += line.counts[result];
      journal.others.push(...pending.slice(0, keep - journal.others.length));
      pending = [];
    } else if (pending.length < keep) pending.push(line);
  };
  for await (const lines of valuesOf(fileOf(folder), lineSchema)) lines.forEach(read);
  return journal;
}
