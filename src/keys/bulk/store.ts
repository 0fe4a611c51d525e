import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { CacheOpsError } from '../../errors.js';
import { prune } from '../../state/changes.js';
import { namesIn, readJson, type State, writeDurably } from '../../state/folder.js';

export const ACTIONS = ['rm', 'fix-ttl'] as const;
export type KeyAction = (typeof ACTIONS)[number];

/** done; gone: it was not there any more; raced: it has a TTL by now; refused: the server would not. */
export const RESULTS = ['done', 'gone', 'raced', 'refused'] as const;
export type KeyResult = (typeof RESULTS)[number];

export const countsSchema = z.object({
  done: z.number(),
  gone: z.number(),
  raced: z.number(),
  refused: z.number(),
});
export type Counts = z.infer<typeof countsSchema>;

export const noCounts = (): Counts => ({ done: 0, gone: 0, raced: 0, refused: 0 });

const recordSchema = z.object({
  id: z.string(),
  action: z.enum(ACTIONS),
  /** Which keys, in words. */
  what: z.string(),
  /** The name of the Redis, where it was, and the database: it must not go on anywhere else. */
  target: z.string(),
  address: z.string(),
  db: z.number(),
  environment: z.string(),
  /** The masters, as the file of chosen keys numbers them. */
  nodes: z.array(z.string()),
  total: z.number(),
  /** Keys of the pattern that the user's ACL hides: they were not chosen. */
  unreadable: z.number(),
  /** Keys a second; it holds for a resumed run too. */
  rate: z.nullable(z.number()),
  began_at: z.string(),
  ended_at: z.nullable(z.string()),
  counts: countsSchema,
});
/** A change to many keys. It is open until every chosen key has a result. */
export type ChangeRecord = z.infer<typeof recordSchema>;

export function changeFolder(state: State, id: string): string {
  return state.path('keys', 'bulk', id);
}

export function storeRecord(state: State, record: ChangeRecord): void {
  const file = join(changeFolder(state, record.id), 'change.json');
  writeDurably(file, `${JSON.stringify(record, null, 2)}\n`);
}

function readRecord(state: State, id: string): ChangeRecord | undefined {
  return recordSchema.safeParse(readJson(join(changeFolder(state, id), 'change.json'))).data;
}

/** Marks a change as finished: what it had chosen is not needed any more, its journal stays. */
export function finish(state: State, record: ChangeRecord): void {
  storeRecord(state, record);
  rmSync(join(changeFolder(state, record.id), 'chosen.ndjson'), { force: true });
}

/** The change to go on with: the named one, or the newest open one of this action. */
export function findOpen(state: State, action: KeyAction, id: string | undefined): ChangeRecord {
  const open = namesIn(state.path('keys', 'bulk'))
    .toReversed()
    .flatMap((name) => readRecord(state, name) ?? [])
    .filter((record) => record.ended_at === null && record.action === action);
  const found = id === undefined ? open[0] : open.find((record) => record.id === id);
  if (found) return found;
  const known = open.map((record) => record.id).join(', ');
  throw new CacheOpsError(
    'not_found',
    id === undefined ? 'nothing is open that could be gone on with' : `${id} is not open`,
    known === '' ? `no change of this kind was interrupted` : `open: ${known}`,
  );
}

/** Forgets old finished changes, and those whose process died while it was still choosing. */
export function pruneChanges(state: State, now: number): void {
  prune(state.path('keys', 'bulk'), (id) => readRecord(state, id), now);
}
