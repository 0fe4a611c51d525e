import * as z from 'zod/mini';

const bytes = z.int().check(z.nonnegative(), z.describe('bytes'));
const number = z.int().check(z.nonnegative());
const span = z.nullable(number.check(z.describe('milliseconds')));

/** Bounds of what a sample says of a whole, with a probability of 95 %. */
const interval = z.object({ low: number, high: number });

const figures = z.object({
  keys: number,
  bytes,
  average: number,
  p99: bytes,
  max: bytes,
  no_ttl: number.check(z.describe('keys that never expire')),
  no_ttl_bytes: bytes,
});

/**
 * Only of a sample: keys and bytes are then estimates of the whole, and `sampled` were seen. Where too
 * few were seen to say anything of the bytes, there is no `bytes_between`.
 */
const estimated = z.extend(figures, {
  sampled: z.optional(number),
  keys_between: z.optional(interval),
  bytes_between: z.optional(interval),
});

/** One key; `key_base64` is there when its bytes are not UTF-8, `key` then shows them as latin1. */
const keySchema = z.object({
  server: z.string(),
  db: number,
  key: z.string(),
  key_base64: z.optional(z.string()),
  type: z.string(),
  encoding: z.nullable(z.string()),
  bytes,
  elements: z.nullable(number),
  ttl_ms: span,
  idle_s: z.nullable(number),
  frequency: z.nullable(number),
});

/** Keys that begin alike; ids, hashes and numbers in their names are collapsed into `{id}`. */
const groupSchema = z.extend(estimated, {
  /** `asl:llm:{id}`; the last part of it is this group's own. */
  pattern: z.string(),
  segment: z.string(),
  share: z.number().check(z.describe('of all bytes, 0 to 1')),
  /** The largest first. What a group has beyond them is in keys of its own or was not told apart. */
  get children() {
    return z.array(groupSchema);
  },
});

const bucket = z.object({ keys: number, bytes });

/** Where the bytes of one Redis are, by key: what `memory bigkeys` stores, shows and compares. */
export const reportSchema = z.object({
  format: z.literal(1),
  id: z.string(),
  at: z.iso.datetime(),
  took_ms: number,
  target: z.string().check(z.describe('name in the configuration, or the file')),
  source: z.enum(['live', 'rdb', 'replication']),
  /** Sizes: asked with all elements (exact), with so many samples a key, or calculated (estimate). */
  sizes_by: z.enum(['exact', 'samples', 'estimate']),
  samples: z.nullable(number),
  /** 1/16 of the key space was looked at; null for all of it. */
  sampled: z.nullable(z.object({ part: number, of: number })),
  filter: z.object({
    match: z.nullable(z.string()),
    type: z.nullable(z.string()),
    db: z.nullable(number),
    over: z.nullable(bytes),
  }),
  /** Why it does not hold every key (interrupted, a broken file); null when it does. */
  partial: z.nullable(z.string()),
  servers: z.array(
    z.object({
      address: z.string(),
      /** What the server says it has; null where it does not say. */
      dbsize: z.nullable(number),
      keys: number,
      bytes,
      used_memory: z.nullable(bytes),
    }),
  ),
  totals: z.extend(figures, {
    /** Gone between being listed and being looked at; and those that an ACL hides. */
    vanished: number,
    unreadable: number,
  }),
  databases: z.array(z.extend(estimated, { db: number })),
  types: z.array(z.extend(estimated, { type: z.string(), elements: z.nullable(number) })),
  /** The root: every key. */
  tree: groupSchema,
  top: z.array(keySchema),
  top_by_type: z.record(z.string(), z.array(keySchema)),
  /** By size: up to so many bytes, and above the bucket before. */
  size_histogram: z.array(z.extend(bucket, { up_to: bytes })),
  /** By time to live; null: it never expires; before it, the largest integer: everything longer. */
  ttl_histogram: z.array(z.extend(bucket, { up_to_ms: span })),
});

export type Report = z.infer<typeof reportSchema>;
export type ReportGroup = z.infer<typeof groupSchema>;
export type ReportKey = z.infer<typeof keySchema>;
export type Figures = z.infer<typeof figures>;

/** What a list of reports and a comparison say of each: read without the rest of it. */
export const headSchema = z.pick(reportSchema, {
  id: true,
  at: true,
  target: true,
  source: true,
  sizes_by: true,
  sampled: true,
  filter: true,
  partial: true,
  totals: true,
});
export type ReportHead = z.infer<typeof headSchema>;
