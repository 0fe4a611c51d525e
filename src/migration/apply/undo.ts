import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { type LinesFile, linesOf, openLines } from '../../state/lines.js';

/** What a key held before it was overwritten: on disk before that happens. */
const undoSchema = z.object({
  entry: z.number(),
  /** Bytes, one latin1 character each. */
  value: z.string(),
  /** When it would have expired, in ms since 1970; null for never. */
  expires: z.nullable(z.number()),
});
export type Undo = z.infer<typeof undoSchema>;

const fileOf = (folder: string) => join(folder, 'undo.ndjson');

export function openUndo(folder: string): LinesFile<Undo> {
  return openLines(fileOf(folder));
}

export async function* readUndo(folder: string): AsyncGenerator<Undo> {
  if (!existsSync(fileOf(folder))) return;
  for await (const texts of linesOf(fileOf(folder))) {
    for (const text of texts) {
      const undo = text === '' ? undefined : parse(text);
      if (undo) yield undo;
    }
  }
}

function parse(text: string): Undo | undefined {
  try {
    return undoSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Entries of which an earlier value has been put away, from one on: of those that a kill left in doubt. */
export async function undoneFrom(folder: string, first: number): Promise<Set<number>> {
  const entries = new Set<number>();
  for await (const { entry } of readUndo(folder)) if (entry >= first) entries.add(entry);
  return entries;
}
