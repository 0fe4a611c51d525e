import { join } from 'node:path';
import type { Masters } from '../../keys/masters.js';
import type { Limits } from '../../redis/channel.js';
import { ReplyError } from '../../redis/resp.js';
import { type Bytes, command, Kind, type Reader } from '../../redis/scan/stream.js';
import { readUndo, type Undo } from '../apply/undo.js';
import { Code } from '../outcome.js';
import { EntryBytes } from '../plan/bytes.js';
import type { Chunk } from '../plan/chunk.js';
import { PlanReader } from '../plan/reader.js';
import type { Form } from '../target/forms.js';
import { type Lane, type Lanes, openLanes } from '../target/lanes.js';
import { isHidden, lookAt, Values } from '../target/replies.js';
import type { TargetState } from '../target/state.js';

/** What a rollback does with a key that the plan has written. */
export const ROLLED = ['changed', 'removed', 'restored', 'gone', 'hidden'] as const;
export type Rolled = (typeof ROLLED)[number];

/**
 * Takes back what was written, if it is as it was written: the same bytes, and the same moment of expiry.
 * KEYS: the key. ARGV: the value and expiry that were written; what was there before and when that expires
 * (empty: never), or nothing. Answers as ROLLED counts. A key that holds what was there before counts as
 * restored: a run that was killed has done it.
 */
const takeBackBy = ({ look, restore }: Form) => `
local now = redis.pcall('${look}', KEYS[1])
if not now then return 3 end
if type(now) == 'table' then return 0 end
if ARGV[3] and now == ARGV[3] then return 2 end
if now ~= ARGV[1] then return 0 end
local expires = redis.pcall('PEXPIRETIME', KEYS[1])
if type(expires) == 'number' and expires ~= tonumber(ARGV[2]) then return 0 end
if not ARGV[3] then redis.call('DEL', KEYS[1]) return 1 end
${restore}
return 2`;

export interface RollingBack {
  folder: string;
  masters: Masters;
  limits: Limits & { signal: AbortSignal };
  state: TargetState;
}

export interface RolledStep {
  counts: Map<Rolled, number>;
  /** Keys that were left, because somebody has changed them since or the ACL hides them. */
  left: { key: string; place: number; rolled: Rolled }[];
  /** Entries gone through. */
  position: number;
}

/**
 * Removes what apply has created and restores what it has replaced, unless it was changed since. To be
 * repeated without harm: what is taken back already is found gone, or as it was.
 */
export async function* rollBack(rolling: RollingBack): AsyncGenerator<RolledStep> {
  const { folder, masters, limits } = rolling;
  const reader = new PlanReader(folder);
  const outcomes = new EntryBytes(join(folder, 'outcomes.bin'));
  let lanes: Lanes | undefined;
  try {
    lanes = await openLanes(masters, limits);
    for (let position = 0; position < reader.count && !limits.signal.aborted; ) {
      const chunk = reader.read(position);
      if (!chunk) break;
      const codes = outcomes.read(chunk.first, chunk.count);
      position += chunk.count;
      const step: RolledStep = { counts: new Map(), left: [], position };
      const created = (index: number) => codes[index] === Code.created;
      await Promise.all(
        lanes
          .share(chunk, created)
          .map(({ lane, entries }) => takeBack(lane, chunk, entries, step, () => [])),
      );
      yield step;
    }
    for await (const undo of readUndo(folder)) {
      if (limits.signal.aborted) break;
      const chunk = reader.read(undo.entry, 1);
      if (!chunk || outcomes.read(undo.entry, 1)[0] !== Code.replaced) continue;
      const step: RolledStep = { counts: new Map(), left: [], position: reader.count };
      for (const { lane, entries } of lanes.share(chunk, () => true))
        await takeBack(lane, chunk, entries, step, () => before(undo, rolling));
      yield step;
    }
  } finally {
    lanes?.close();
    reader.close();
    outcomes.close();
  }
}

/** What was there; nothing where its own time has run out since. */
function before({ value, expires }: Undo, { state }: RollingBack): (string | number)[] {
  if (expires !== null && expires <= Date.now() + state.ahead_ms) return [];
  return [value, expires ?? ''];
}

async function takeBack(
  lane: Lane,
  chunk: Chunk,
  entries: readonly number[],
  step: RolledStep,
  old: () => (string | number)[],
): Promise<void> {
  const seen = chunk.form.look === 'DUMP' ? await lookAgain(lane, chunk, entries) : undefined;
  const script = takeBackBy(chunk.form);
  const commands = entries.map((index, at) => {
    // The same content has many dumps: the script is given the one that it is going to see.
    const as = (value: Buffer) => {
      const found = seen?.[at];
      return (found && chunk.form.isSame(value, found) ? found : value).toString('latin1');
    };
    const [before, ...expires] = old();
    return command(
      'EVAL',
      script,
      1,
      chunk.key(index),
      as(chunk.value(index)),
      chunk.expires(index),
      ...(before === undefined ? [] : [as(Buffer.from(String(before), 'latin1')), ...expires]),
    );
  });
  const answers = new Answers(entries.length);
  await lane.ask(commands.join(''), answers);
  for (const [at, index] of entries.entries()) {
    const rolled = ROLLED[answers.codes[at] as number] as Rolled;
    step.counts.set(rolled, (step.counts.get(rolled) ?? 0) + 1);
    if (rolled === 'changed' || rolled === 'hidden')
      step.left.push({ key: chunk.key(index), place: chunk.place(index), rolled });
  }
}

/** What keys hold now; undefined where there is nothing, or the ACL hides it. */
async function lookAgain(
  lane: Lane,
  chunk: Chunk,
  entries: readonly number[],
): Promise<(Buffer | undefined)[]> {
  const seen: (Buffer | undefined)[] = entries.map(() => undefined);
  const questions = entries.map((index) => lookAt(chunk.form, chunk.key(index), undefined));
  const reader = new Values(entries.length, undefined, (at, found, { buffer, from, to }) => {
    if (found === 'value') seen[at] = Buffer.from(buffer.subarray(from, to));
  });
  await lane.ask(questions.join(''), reader);
  return seen;
}

/** The numbers that the script answers. */
class Answers implements Reader {
  readonly codes: Uint8Array;
  #at = 0;

  constructor(count: number) {
    this.codes = new Uint8Array(count);
  }

  read(bytes: Bytes): boolean {
    while (this.#at < this.codes.length) {
      if (!bytes.more()) return false;
      if (bytes.kind() === Kind.error) {
        const line = bytes.line();
        if (line === undefined) return false;
        const error = new ReplyError(line);
        if (!isHidden(error)) throw error;
        this.codes[this.#at] = ROLLED.indexOf('hidden');
      } else {
        const number = bytes.number();
        if (number === undefined) return false;
        this.codes[this.#at] = number;
      }
      this.#at += 1;
    }
    return true;
  }
}
