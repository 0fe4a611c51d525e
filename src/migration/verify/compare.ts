import { join } from 'node:path';
import type { Masters } from '../../keys/masters.js';
import type { Limits } from '../../redis/channel.js';
import type { Bytes } from '../../redis/scan/stream.js';
import { momentIn } from '../apply/conflicts.js';
import { Code } from '../outcome.js';
import { EntryBytes, Mark } from '../plan/bytes.js';
import type { Chunk } from '../plan/chunk.js';
import { PlanReader } from '../plan/reader.js';
import type { Shape } from '../shape.js';
import { type Lanes, openLanes } from '../target/lanes.js';
import { type Found, isValueOf, lookAt, Values } from '../target/replies.js';
import type { TargetState } from '../target/state.js';

/** How an entry and its key compare. */
export const VERDICTS = [
  'equal',
  'newer',
  'missing',
  'differs',
  'ttl_off',
  'other_type',
  'hidden',
  'expired',
  'gone',
] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Verdicts with which the state is not where it should be. */
export const BAD_VERDICTS: readonly Verdict[] = [
  'missing',
  'differs',
  'ttl_off',
  'other_type',
  'hidden',
];

/** An entry that is not simply equal. */
export interface Difference {
  /** Bytes, one latin1 character each. */
  key: string;
  place: number;
  verdict: Verdict;
  detail: string;
}

export interface Comparing {
  folder: string;
  masters: Masters;
  limits: Limits & { signal: AbortSignal };
  state: TargetState;
  shape: Shape;
  /** The longest that a key of this kind may live, in ms. */
  longest_ms: number;
  /** Times of expiry are compared with the planned ones; not where the entries were read anew. */
  ttl: boolean;
  /** Is an entry that the target does not have missing in the source too, by now? */
  isGone?(key: string): boolean;
}

export interface Compared {
  differences: Difference[];
  counts: Map<Verdict, number>;
  position: number;
}

const WINDOW = 2;
/** Entries of a chunk: their values come back, so that fewer of them are on their way than are written. */
const AT_ONCE = 500;
/** A time of expiry that is further off than this is told, in ms. */
const TTL_TOLERANCE = 2_000;

/** Reads every entry's key and compares value and expiry. Reads only. */
export async function* compareAll(comparing: Comparing): AsyncGenerator<Compared> {
  const { folder, masters, limits } = comparing;
  const reader = new PlanReader(folder);
  const marks = new EntryBytes(join(folder, 'marks.bin'));
  const outcomes = new EntryBytes(join(folder, 'outcomes.bin'));
  let lanes: Lanes | undefined;
  const underway: Promise<Compared>[] = [];
  try {
    lanes = await openLanes(masters, limits);
    for (let position = 0; position < reader.count; ) {
      limits.signal.throwIfAborted();
      const chunk = reader.read(position, AT_ONCE);
      if (!chunk) break;
      position += chunk.count;
      const of = (file: EntryBytes) => file.read(chunk.first, chunk.count);
      const compared = compare(lanes, chunk, of(marks), of(outcomes), comparing);
      compared.then(
        () => reader.release(chunk),
        () => {},
      );
      underway.push(compared);
      if (underway.length >= WINDOW) yield (await underway.shift()) as Compared;
    }
    for (const compared of underway.splice(0)) yield await compared;
  } finally {
    lanes?.close();
    for (const file of [reader, marks, outcomes]) file.close();
  }
}

async function compare(
  lanes: Lanes,
  chunk: Chunk,
  marks: Uint8Array,
  outcomes: Uint8Array,
  comparing: Comparing,
): Promise<Compared> {
  const { state } = comparing;
  const compared: Compared = {
    differences: [],
    counts: new Map(),
    position: chunk.first + chunk.count,
  };
  let equal = 0;
  const isMeant = (index: number) => ((marks[index] as number) & Mark.superseded) === 0;
  await Promise.all(
    lanes.share(chunk, isMeant).map(({ lane, entries }) => {
      let questions = '';
      for (const index of entries) questions += lookAt(chunk.form, chunk.key(index), state.expiry);
      return lane.ask(
        questions,
        new Values(entries.length, state.expiry, (at, found, bytes, deadline) => {
          const index = entries[at] as number;
          const judged = judgeFound(
            comparing,
            chunk,
            index,
            outcomes[index],
            found,
            bytes,
            deadline,
          );
          if (judged === undefined) {
            equal += 1;
            return;
          }
          const [verdict, detail] = judged;
          compared.counts.set(verdict, (compared.counts.get(verdict) ?? 0) + 1);
          compared.differences.push({
            key: chunk.key(index),
            place: chunk.place(index),
            verdict,
            detail,
          });
        }),
      );
    }),
  );
  compared.counts.set('equal', equal);
  return compared;
}

/** Undefined: value and time of expiry are as planned. */
function judgeFound(
  comparing: Comparing,
  chunk: Chunk,
  index: number,
  outcome: number | undefined,
  found: Found,
  bytes: Bytes,
  deadline: number,
): [Verdict, string] | undefined {
  const { state, shape } = comparing;
  const now = Date.now() + state.ahead_ms;
  if (found === 'hidden') return ['hidden', 'the ACL of this user hides the key'];
  if (found === 'other type') return ['other_type', 'the key holds another type than text'];
  if (found === 'nothing') {
    if (!chunk.isLive(index, now + TTL_TOLERANCE)) return ['expired', 'its time has run out'];
    if (comparing.isGone?.(chunk.key(index))) return ['gone', 'neither side has it any more'];
    return ['missing', 'the target does not have it'];
  }
  if (isValueOf(chunk, index, bytes)) {
    const off = comparing.ttl ? ttlProblem(comparing, chunk.expires(index), deadline, outcome) : '';
    return off === '' ? undefined : ['ttl_off', off];
  }
  const there = Buffer.from(bytes.buffer.subarray(bytes.from, bytes.to));
  const [planned, stored] = [chunk.moment(index), momentIn(there, shape)];
  const what = chunk.form.differences(chunk.value(index), there);
  if (stored > planned) return ['newer', `changed since: ${what}`];
  return [
    'differs',
    Number.isNaN(stored) || Number.isNaN(planned) ? `${what} (no times to compare)` : what,
  ];
}

/**
 * What is wrong with a key's time of expiry; empty when nothing is. Where the application has written
 * the same value itself, it has also chosen how long that lives: it only must not be for ever.
 */
function ttlProblem(
  { state, longest_ms }: Comparing,
  planned: number,
  deadline: number,
  outcome: number | undefined,
): string {
  const isOurs = outcome === Code.created || outcome === Code.replaced;
  if (planned < 0) return isOurs && deadline !== -1 ? 'it expires, and was planned never to' : '';
  if (deadline === -1) return 'it never expires';
  const now = Date.now() + state.ahead_ms;
  const actual = state.expiry === 'PTTL' ? now + deadline : deadline;
  if (!isOurs) {
    const left = actual - now;
    return left > longest_ms + TTL_TOLERANCE ? `it lives ${Math.round(left / 1_000)} s` : '';
  }
  const off = actual - planned;
  if (Math.abs(off) <= TTL_TOLERANCE) return '';
  return `it expires ${Math.abs(off / 1_000).toFixed(1)} s ${off > 0 ? 'later' : 'sooner'} than planned`;
}
