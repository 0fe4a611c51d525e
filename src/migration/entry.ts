import type { CHATS } from './kinds.js';

/** An entry as its source has it: a JSON text, not looked at yet. */
export interface Raw {
  /** Its line, or its number in the source; the first is 1. */
  place: number;
  text: Buffer;
  /** Known to be ASCII, or known to be not; found out where it is left out. */
  ascii?: boolean;
  /** Where it is known: a plain text (see `plainText`) in which it stands from `from` on. */
  plain?: string;
  from?: number;
  /** Where the source is a dictionary: the keys that lead to it. */
  keys?: readonly string[];
  /** Where the source says it: which chat a session is of. */
  chat?: (typeof CHATS)[number];
  /** Milliseconds that it had to live when it was read, where the source itself knows. */
  ttl_ms?: number;
}

/** A key of another Redis, of any type: `text` is what DUMP gives. */
export interface DumpedKey extends Raw {
  /** Behind the prefix; bytes as latin1. */
  name: string;
  /** What it takes in the memory of its Redis; null where that does not say. */
  memory: number | null;
}

export const PROBLEMS = [
  'bad_json',
  'not_utf8',
  'too_large',
  'wrong_type',
  'no_user',
  'no_id',
  'bad_id',
  'no_status',
  'bad_time',
  'no_chat',
  'no_queue',
  'unsafe',
  'duplicate',
  'cut_off',
] as const;

/** An entry that cannot be moved: where it stands and why. */
export interface Bad {
  place: number;
  problem: (typeof PROBLEMS)[number];
  reason: string;
  user?: string;
  id?: string;
}

/** What a reader hands over; `bad` where there is not even an entry to look at. */
export type Read = Raw | DumpedKey | Bad;

/** An entry that can be written. */
export interface Entry {
  place: number;
  /** Bytes, one latin1 character each. */
  key: string;
  value: Buffer;
  /** When the application changed it last, in ms since 1970; NaN where it does not say. */
  moment: number;
  /** Milliseconds that it has to live from the moment of reading; negative: for ever. */
  ttl_ms: number;
  /** Bytes of memory, where its source has said it. */
  memory?: number | null;
}

/** Not to be moved, and nothing is wrong with it. */
export interface Past {
  place: number;
  past: true;
}
