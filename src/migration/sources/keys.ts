import type { Bad, Raw } from '../entry.js';
import { CHATS } from '../kinds.js';

/** What a key says of its entry; the rest of the key stands behind the prefix of its estate. */
type Said = Required<Pick<Raw, 'keys'>> & Pick<Raw, 'chat'>;

const FORMS: Readonly<Record<'tasks' | 'sessions', RegExp>> = {
  tasks: /^task:import:([^:]+):([^:]+)$/,
  sessions: new RegExp(`^chat:(${CHATS.join('|')}):([^:]+):([^:]+)$`),
};

/** The beginning of the keys of a kind, behind the prefix. */
export const BEGINNINGS = { tasks: 'task:import:', sessions: 'chat:' } as const;

/** The user and the task in a key, or why they cannot be told. */
export function saidByKey(name: string, kind: 'tasks' | 'sessions', place: number): Said | Bad {
  const found = FORMS[kind].exec(name);
  if (!found) {
    const form = kind === 'tasks' ? 'task:import:{user}:{task}' : 'chat:{chat}:{user}:{task}';
    return { place, problem: 'unsafe', reason: `the key ends ${name}; expected ${form}` };
  }
  const [, first = '', second = '', third] = found;
  return third === undefined
    ? { keys: [first, second] }
    : { keys: [second, third], chat: first as (typeof CHATS)[number] };
}
