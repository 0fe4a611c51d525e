/** What moves: task status, chat sessions, queued jobs; keys of any type, from one Redis to another. */
export const KINDS = ['tasks', 'sessions', 'jobs', 'keys'] as const;
export type Kind = (typeof KINDS)[number];

/** The chats of the estate; each is a part of its sessions' keys. */
export const CHATS = ['generate', 'optimize', 'search'] as const;

const HOUR = 3_600_000;

/** How long a key lives where its source does not say, and at most; milliseconds. */
export const TTL: Readonly<Record<'tasks' | 'sessions', { usual: number; most: number }>> = {
  tasks: { usual: 24 * HOUR, most: 48 * HOUR },
  sessions: { usual: 2 * HOUR, most: 6 * HOUR },
};

/** Twenty rounds. Older messages of a session are cut. */
export const MOST_MESSAGES = 40;

/** Bytes of the largest value that is taken over, where the operator does not say. */
export const LARGEST_VALUE = 4 * 1024 * 1024;
