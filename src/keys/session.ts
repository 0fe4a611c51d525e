import type { Reply } from '../redis/resp.js';
import type { FoundKey } from './enumerate.js';
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
  const questions = keys.map(questionFor);
  const asked = questions.flatMap((question) => question ?? []);
  const replies = asked.length > 0 ? await masters.ask(master, asked) : [];
  let next = 0;
  return keys.map((_, index) => {
    if (!questions[index]) return null;
    const reply = replies[next] as Reply;
    next += 1;
    return count(reply);
  });
}

function questionFor({ key, type, bytes }: FoundKey): [string, ...string[]][] | undefined {
  if (type === 'list') return [['LLEN', key]];
  if (type === 'stream') return [['XLEN', key]];
  if (bytes === null || bytes > LARGEST) return undefined;
  if (type === 'string') return [['GET', key]];
  return type === 'hash' ? [['HGET', key, 'messages']] : undefined;
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
