import * as z from 'zod/mini';

const count = z.nullable(z.number());
const bytes = count.check(z.describe('bytes'));

/** `NAME_base64` is there when the bytes are not UTF-8, and `NAME` shows them as latin1. */
const elementSize = z.object({
  name: z.string(),
  name_base64: z.optional(z.string()),
  bytes: z.number(),
});

const piece = z.object({
  /** Field, member, index or id; null for a string. */
  name: z.nullable(z.string()),
  name_base64: z.optional(z.string()),
  value: z.nullable(z.string()),
  value_base64: z.optional(z.string()),
  /** There is more of the name or the value. */
  cut: z.boolean(),
});
export type Piece = z.infer<typeof piece>;

/** Elements that were looked at one by one. */
const walkResult = z.object({
  elements: z.number(),
  /** Names and values alone, without the bookkeeping that MEMORY USAGE counts. */
  bytes: z.number(),
  average_bytes: z.number(),
  /** Why it ended before the last element; null when it did not. */
  stopped: z.nullable(z.enum(['elements', 'time', 'bytes'])),
  largest: z.array(elementSize),
  /** Elements of up to so many bytes, and more than the step before. */
  histogram: z.array(z.object({ up_to: z.number(), elements: z.number(), bytes: z.number() })),
});
export type WalkResult = z.infer<typeof walkResult>;

const keyMemory = z.object({
  target: z.string(),
  address: z.string(),
  db: z.number(),
  type: z.nullable(z.string()),
  encoding: z.nullable(z.string()),
  /** By MEMORY USAGE: with the key and all bookkeeping. */
  bytes,
  /** Elements whose size was taken for all; 0: each was counted. */
  samples: z.number(),
  /** Of a string. */
  length_bytes: bytes,
  elements: count,
  /** Null: it never expires, or it is not known (see `missing`). */
  ttl_ms: count,
  expires_at: z.nullable(z.iso.datetime()),
  /** Before this command looked at it. */
  idle_s: count,
  frequency: count,
  refcount: count,
  /** Looking at the elements counted as an access: the idle time starts anew. */
  touched: z.boolean(),
  walk: z.nullable(walkResult),
  content: z.nullable(z.array(piece)),
  missing: z.array(z.object({ command: z.string(), reason: z.string() })),
});
export type KeyMemory = z.infer<typeof keyMemory>;

/** What `memory key --json` prints: the key on every target that has it. */
export const keyResult = z.object({
  key: z.string(),
  key_base64: z.optional(z.string()),
  found: z.array(keyMemory),
  /** Targets that could not be asked. */
  problems: z.array(z.object({ target: z.string(), reason: z.string() })),
});
export type KeyResult = z.infer<typeof keyResult>;
