import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { CacheOpsError } from '../../errors.js';
import { namesIn, readJson, type State, writeDurably } from '../../state/folder.js';
import type { Identity } from '../../state/identity.js';
import { claim, holderOf } from '../../state/lock.js';

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

/** So many finished changes are remembered. */
const KEPT = 100;

export function changeFolder(state: State, id: string): string {
  return state.path('keys', 'bulk', id);
}

/** Sorts by time; several a millisecond are told apart. */
export function newId(action: KeyAction, now: number): string {
  const at = new Date(now).toISOString();
  const digits = at.replace(/[-:]|\.\d+Z$/g, '').replace('T', '-');
  return `${digits}-${action}-${crypto.randomUUID().slice(0, 6)}`;
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

export function forget(state: State, id: string): void {
  rmSync(changeFolder(state, id), { recursive: true, force: true });
}

/** Makes this process the only one that works on a change; refuses while another one does. */
export function claimChange(state: State, id: string, self: Identity): { release(): void } {
  const claimed = claim(changeFolder(state, id), self);
  if ('release' in claimed) return claimed;
  throw new CacheOpsError(
    'refused',
    `process ${claimed.holder.pid} is at work on ${id}`,
    'wait for it, or end it: it stops at the next safe point',
  );
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

/** A folder without a record may be one that is just being made. */
const GRACE = 60_000;

/** Forgets old finished changes, and those whose process died while it was still choosing. */
export function prune(state: State, now: number): void {
  const finished: string[] = [];
  for (const id of namesIn(state.path('keys', 'bulk'))) {
    const record = readRecord(state, id);
    if (record?.ended_at) finished.push(id);
    else if (!record && isLeft(changeFolder(state, id), now)) forget(state, id);
  }
  for (const id of finished.slice(0, -KEPT)) forget(state, id);
}

function isLeft(folder: string, now: number): boolean {
  const { mtimeMs } = statSync(folder, { throwIfNoEntry: false }) ?? { mtimeMs: now };
  return mtimeMs < now - GRACE && !holderOf(folder);
}
