import type { Reply } from '../redis/resp.js';
import type { FoundKey } from './look.js';
import type { Master, Masters } from './masters.js';

/** A session of this size or more is not fetched to be counted. */
const LARGEST = 1024 * 1024;

/**
 * How many messages each of these sessions has: the length of a list or stream, of a JSON array, or
 * of the array `messages` in a JSON object or a hash. Null where it cannot be told.
 */
export async function messagesIn(
  masters: Masters,
  master: Master,
  keys: readonly FoundKey[],
): Promise<(number | null)[]> {
  const counts: (number | null)[] = [];
  for (const some of portions(keys)) {
    const questions = some.map(questionFor);
    const replies = await masters.ask(
      master,
      questions.flatMap((question) => (question ? [question] : [])),
    );
    const answers = replies[Symbol.iterator]();
    for (const question of questions) {
      counts.push(question ? count(answers.next().value ?? null) : null);
    }
  }
  return counts;
}

/** So much of them is in memory at a time. */
const AT_ONCE = 8 * LARGEST;

function* portions(keys: readonly FoundKey[]): Generator<FoundKey[]> {
  let some: FoundKey[] = [];
  let bytes = 0;
  for (const key of keys) {
    some.push(key);
    bytes += Math.min(key.bytes ?? 0, LARGEST);
    if (bytes < AT_ONCE) continue;
    yield some;
    some = [];
    bytes = 0;
  }
  if (some.length > 0) yield some;
}

function questionFor({ key, type, bytes }: FoundKey): string[] | undefined {
  if (type === 'list') return ['LLEN', key];
  if (type === 'stream') return ['XLEN', key];
  if (bytes === null || bytes > LARGEST) return undefined;
  if (type === 'string') return ['GET', key];
  return type === 'hash' ? ['HGET', key, 'messages'] : undefined;
}

function count(reply: Reply): number | null {
  if (typeof reply === 'number') return reply;
  if (typeof reply !== 'string') return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(reply, 'latin1').toString('utf8'));
    const messages = Array.isArray(value) ? value : (value as { messages?: unknown })?.messages;
    return Array.isArray(messages) ? messages.length : null;
  } catch {
    return null;
  }
}
