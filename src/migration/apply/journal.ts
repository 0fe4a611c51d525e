import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { type LinesFile, linesOf, openLines } from '../../state/lines.js';

/**
 * A line of a run's journal: which servers it writes to, up to which entry it may have written (on disk
 * before that is so), up to which one every outcome is on disk.
 */
const lineSchema = z.union([
  z.object({ run: z.string() }),
  z.object({ begun: z.number() }),
  z.object({ end: z.number() }),
]);
type Line = z.infer<typeof lineSchema>;

/** How far earlier runs have come. */
export interface Journal {
  run: string | undefined;
  begun: number;
  position: number;
}

const fileOf = (folder: string) => join(folder, 'journal.ndjson');

export function openJournal(folder: string): LinesFile<Line> {
  return openLines(fileOf(folder));
}

export async function readJournal(folder: string): Promise<Journal> {
  const journal: Journal = { run: undefined, begun: 0, position: 0 };
  if (!existsSync(fileOf(folder))) return journal;
  for await (const texts of linesOf(fileOf(folder))) {
    for (const text of texts) {
      const line = parse(text);
      if (!line) continue;
      if ('run' in line) journal.run = line.run;
      else if ('begun' in line) journal.begun = Math.max(journal.begun, line.begun);
      else journal.position = line.end;
    }
  }
  return journal;
}

/** A line that a kill has cut off counts for nothing. */
function parse(text: string): Line | undefined {
  if (text === '') return undefined;
  try {
    return lineSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
