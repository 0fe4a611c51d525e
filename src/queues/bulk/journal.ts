import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { type LinesFile, openLines, valuesOf } from '../../state/lines.js';
import { type Outcome, RESULTS } from '../operation.js';
import type { Position } from './chosen.js';
import { Groups, groupSchema } from './groups.js';
import { queueRef } from './store.js';

/** What became of one job, as it is reported. */
export interface Reported extends Outcome {
  /** A run that was killed had begun with it: that run may be who has changed it. */
  in_doubt: boolean;
}

const reported = z.extend(queueRef, {
  id: z.string(),
  result: z.enum(RESULTS),
  detail: z.string(),
  in_doubt: z.boolean(),
});

/**
 * A line of the journal. `begin` is on disk before a chunk is applied, `end` after it, with the jobs
 * that were not done in between. `begin` and `end` count jobs from the start; `offset` and `skip` are
 * where the next chunk starts in the file of chosen jobs.
 */
const lineSchema = z.union([
  z.object({ begin: z.number(), jobs: z.number() }),
  z.object({
    end: z.number(),
    offset: z.number(),
    skip: z.number(),
    groups: z.array(groupSchema),
  }),
  reported,
]);
type Line = z.infer<typeof lineSchema>;

/** How far an operation has come. */
export interface Journal {
  /** Jobs with a result, and where the first one without is in the file of chosen jobs. */
  position: number;
  next: Position;
  /** Jobs before this place may have been changed by a run that was killed before it said so. */
  begun: number;
  groups: Groups;
  in_doubt: number;
  /** The first of those that were not done. */
  others: Reported[];
}

const fileOf = (folder: string) => join(folder, 'journal.ndjson');

/** Reads the journal; `keep` others at most are held. A line that was cut off counts for nothing. */
export async function readJournal(folder: string, keep: number): Promise<Journal> {
  const journal: Journal = {
    position: 0,
    next: { offset: 0, skip: 0 },
    begun: 0,
    groups: new Groups(),
    in_doubt: 0,
    others: [],
  };
  if (!existsSync(fileOf(folder))) return journal;
  // Those of a chunk count when its end is there too.
  let pending: Reported[] = [];
  let doubtful = 0;
  const read = (line: Line) => {
    if ('begin' in line) {
      journal.begun = Math.max(journal.begun, line.begin + line.jobs);
      pending = [];
      doubtful = 0;
    } else if ('end' in line) {
      journal.position = line.end;
      journal.next = { offset: line.offset, skip: line.skip };
      for (const { result, detail, example, jobs } of line.groups) {
        journal.groups.add(result, detail, example, jobs);
      }
      journal.in_doubt += doubtful;
      journal.others.push(...pending.slice(0, keep - journal.others.length));
      pending = [];
      doubtful = 0;
    } else {
      pending.push(line);
      if (line.in_doubt) doubtful += 1;
    }
  };
  for await (const lines of valuesOf(fileOf(folder), lineSchema)) lines.forEach(read);
  return journal;
}

export type JournalFile = LinesFile<Line>;

export function openJournal(folder: string): JournalFile {
  return openLines(fileOf(folder));
}
