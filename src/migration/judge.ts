import { isAscii, isUtf8 } from 'node:buffer';
import type { Bad, DumpedKey, Entry, Past, Raw } from './entry.js';
import { idOf, idProblem, typeName } from './ids.js';
import { CHATS, type Kind, LARGEST_VALUE, MOST_MESSAGES, TTL } from './kinds.js';
import { momentOf } from './moment.js';
import { quickLook } from './quick.js';
import { firstAt, type Path, type Shape, valueAt } from './shape.js';
import { elementsOf, onOneLine, type Span, spanAt } from './spans.js';

/** What entries become keys by. */
export interface Rules {
  kind: Exclude<Kind, 'jobs'>;
  shape: Shape;
  /** `{prefix}:{env}:`, bytes as latin1. */
  prefix: string;
  /** The chat of sessions that do not say theirs. */
  chat?: (typeof CHATS)[number] | undefined;
  largest?: number | undefined;
  /** Tasks in the estate's own shape: most of them can be read without JSON.parse. */
  plain?: boolean;
  now: number;
}

/** Whose entry it is, and what else is known of it. */
type Known = Pick<Bad, 'user' | 'id'>;

/** Checks an entry and says what is to be written for it, or what is wrong. Pure, and called a million times. */
export function judge(raw: Raw | DumpedKey, rules: Rules): Entry | Bad | Past {
  const { place, text } = raw;
  const { kind, shape, largest = LARGEST_VALUE } = rules;
  if (kind === 'keys') return judgeKey(raw, rules);
  if (text.length > largest + ENVELOPE)
    return bad(place, 'too_large', sizeOf(text.length, largest));
  if (raw.plain !== undefined && rules.plain) {
    const entry = judgeQuickly(raw, raw.plain, rules);
    if (entry) return entry;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoded(raw));
  } catch (error) {
    return isUtf8(text)
      ? bad(place, 'bad_json', `not valid JSON: ${(error as Error).message.slice(0, 80)}`)
      : bad(place, 'not_utf8', 'not valid UTF-8');
  }
  const isList = Array.isArray(parsed);
  if (typeof parsed !== 'object' || parsed === null || (isList && kind === 'tasks'))
    return bad(place, 'wrong_type', `expected an object, it is ${typeName(parsed)}`);
  const owner = ownerOf(raw, parsed, shape);
  if ('problem' in owner) return bad(place, owner.problem, owner.reason, owner);
  const valuePath = isList ? undefined : pathOfValue(parsed, shape);
  const inner = valuePath ? (valueAt(parsed, valuePath) as object) : parsed;

  if (kind === 'tasks') {
    const status = inEither(inner, parsed, shape.status);
    if (status === undefined || status === '')
      return bad(place, 'no_status', 'it has no status', owner);
    if (typeof status !== 'string')
      return bad(place, 'wrong_type', `the status is ${typeName(status)}, not text`, owner);
  }
  const updated = inEither(inner, parsed, shape.updatedAt);
  const moment = updated === undefined ? Number.NaN : momentOf(updated);
  if (updated !== undefined && Number.isNaN(moment)) {
    const reason = `the time of its last change is no time: ${shortened(updated)}`;
    return bad(place, 'bad_time', reason, owner);
  }
  const expiresAt = inEither(inner, parsed, shape.expiresAt);
  const ttl_ms = ttlOf(raw, expiresAt, inEither(inner, parsed, shape.ttl), rules);
  if (typeof ttl_ms === 'string') return bad(place, 'bad_time', ttl_ms, owner);
  if (ttl_ms <= 0) return { place, past: true };

  let segment = 'task:import';
  if (kind === 'sessions') {
    const chat = raw.chat ?? inEither(inner, parsed, shape.chat) ?? rules.chat;
    if (!CHATS.includes(chat as never)) {
      const said = chat === undefined ? 'it does not say which chat it is of' : shortened(chat);
      return bad(place, 'no_chat', `${said}; expected ${CHATS.join(', ')}`, owner);
    }
    segment = `chat:${chat}`;
    const messages = isList ? parsed : inEither(inner, parsed, shape.messages);
    if (!Array.isArray(messages)) {
      const reason = `the messages are ${typeName(messages)}, not a list`;
      return bad(place, 'wrong_type', reason, owner);
    }
  }
  const value = bytesToWrite(text, valuePath, kind === 'sessions' ? shape : undefined);
  if (value.length > largest) return bad(place, 'too_large', sizeOf(value.length, largest), owner);
  const name = `${segment}:${owner.user}:${owner.id}`;
  const key = rules.prefix + (PLAIN.test(name) ? name : Buffer.from(name).toString('latin1'));
  return { place, key, value, moment, ttl_ms };
}

/** A key is taken as it is, under the prefix of the target. */
function judgeKey(raw: Raw | DumpedKey, { prefix, largest = LARGEST_VALUE }: Rules) {
  if (!('name' in raw)) throw new Error('only a Redis has keys');
  const { place, name, text, memory, ttl_ms = -1 } = raw;
  if (text.length > largest) return bad(place, 'too_large', sizeOf(text.length, largest));
  if (ttl_ms === 0) return { place, past: true } as const;
  return { place, key: prefix + name, value: text, moment: Number.NaN, ttl_ms, memory };
}

/** The entry of a plain line; undefined where it is not plain, or anything is wrong with it. */
function judgeQuickly(
  { place, text, from = 0 }: Raw,
  plain: string,
  { prefix, largest = LARGEST_VALUE }: Rules,
) {
  const found = text.length <= largest ? quickLook(plain, from, from + text.length) : undefined;
  if (!found || idProblem('user', found.user) || idProblem('task', found.id)) return undefined;
  const moment = found.updatedAt === undefined ? Number.NaN : momentOf(found.updatedAt);
  if (found.updatedAt !== undefined && Number.isNaN(moment)) return undefined;
  const key = `${prefix}task:import:${found.user}:${found.id}`;
  return { place, key, value: text, moment, ttl_ms: TTL.tasks.usual };
}

/** What is in an envelope counts before what stands on it. */
function inEither(inner: object, outer: object, paths: readonly Path[]): unknown {
  const found = firstAt(inner, paths);
  return found === undefined && inner !== outer ? firstAt(outer, paths) : found;
}

function bad(place: number, problem: Bad['problem'], reason: string, known?: Known): Bad {
  return {
    place,
    problem,
    reason,
    ...(known?.user !== undefined && { user: known.user }),
    ...(known?.id !== undefined && { id: known.id }),
  };
}

/** What stands around a value, at most. */
const ENVELOPE = 1_024;
const PLAIN = /^[ -~]*$/;

/** latin1 costs a fraction, and is the same for what is ASCII. */
function decoded({ text, ascii, plain }: Raw): string {
  if (plain !== undefined || (ascii ?? isAscii(text))) return text.toString('latin1');
  if (!isUtf8(text)) throw new Error('not UTF-8');
  return text.toString('utf8');
}

type Owner = { user: string; id: string } | (Known & Pick<Bad, 'problem' | 'reason'>);

/** The user and the id of an entry: from itself, and from the keys that lead to it, which must agree. */
export function ownerOf({ keys }: Raw, entry: object, shape: Shape): Owner {
  const user = idOf(firstAt(entry, shape.user));
  const id = idOf(firstAt(entry, shape.id));
  if (typeof user === 'object')
    return { problem: 'wrong_type', reason: `the user is ${user.wrong}` };
  if (typeof id === 'object') return { problem: 'wrong_type', reason: `the task is ${id.wrong}` };
  if (keys) {
    const outside = ownerByKeys(keys, user !== undefined);
    const said = unlike('user', outside.user, user) ?? unlike('task', outside.id, id);
    if (said) return { problem: 'unsafe', reason: said };
    return checkedOwner(user ?? outside.user, id ?? outside.id);
  }
  return checkedOwner(user, id);
}

function checkedOwner(user: string | undefined, id: string | undefined): Owner {
  if (user === undefined || user === '')
    return { problem: 'no_user', reason: 'it has no user', ...(id && { id }) };
  if (id === undefined || id === '') return { problem: 'no_id', reason: 'it has no id', user };
  const reason = idProblem('user', user) ?? idProblem('task', id);
  if (reason === undefined) return { user, id };
  const problem = reason.endsWith(': nobody') ? 'no_user' : 'bad_id';
  return { problem, reason, user, id };
}

/** A dictionary by user and then task, or by task; `user:task` where keys are text and entries have no user. */
function ownerByKeys(keys: readonly string[], hasUser: boolean): Known {
  const [first = '', second] = keys;
  if (second !== undefined) return { user: first, id: second };
  const colon = hasUser ? -1 : first.indexOf(':');
  return colon < 0 ? { id: first } : { user: first.slice(0, colon), id: first.slice(colon + 1) };
}

function unlike(what: string, key: string | undefined, entry: string | undefined) {
  if (key === undefined || entry === undefined || key === entry) return undefined;
  return `the key says ${what} ${shortened(key)}, the entry says ${shortened(entry)}`;
}

/** `{ user, task, value: {...} }` is an envelope: what is inside is the value. */
function pathOfValue(entry: object, shape: Shape): Path | undefined {
  return shape.value.find((path) => {
    const value = valueAt(entry, path);
    return typeof value === 'object' && value !== null;
  });
}

/** The bytes to be written; of a session only its newest messages. */
function bytesToWrite(text: Buffer, path: Path | undefined, session: Shape | undefined): Buffer {
  const span = path && spanAt(text, path);
  const value = onOneLine(span ? text.subarray(span.from, span.to) : text);
  return session ? withNewest(value, session) : value;
}

function withNewest(value: Buffer, { messages }: Shape): Buffer {
  const isList = value.toString('latin1', 0, 1) === '[';
  const list: Span | undefined = isList
    ? { from: 0, to: value.length }
    : messages.map((path) => spanAt(value, path)).find((span) => span !== undefined);
  if (!list) return value;
  const all = elementsOf(value, list);
  const oldest = all.at(-MOST_MESSAGES);
  if (all.length <= MOST_MESSAGES || !oldest) return value;
  return Buffer.concat([value.subarray(0, list.from + 1), value.subarray(oldest.from)]);
}

/** Milliseconds to live, no more than the kind may; or what is wrong. */
function ttlOf(
  { ttl_ms }: Raw,
  expiresAt: unknown,
  ttl: unknown,
  { kind, now }: Rules,
): number | string {
  const { usual, most } = TTL[kind as 'tasks'];
  if (ttl_ms !== undefined) return Math.min(ttl_ms, most);
  if (expiresAt !== undefined) {
    const moment = momentOf(expiresAt);
    if (Number.isNaN(moment)) return `the time when it expires is no time: ${shortened(expiresAt)}`;
    return Math.min(moment - now, most);
  }
  if (ttl === undefined) return usual;
  if (typeof ttl !== 'number' || !Number.isFinite(ttl))
    return `its time to live is no number of seconds: ${shortened(ttl)}`;
  return Math.min(ttl * 1_000, most);
}

function sizeOf(length: number, largest: number): string {
  return `${length} bytes; ${largest} are the most`;
}

function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? '';
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
