import type { Cache, Json } from './cache/types.js';

export const TASK_STATES = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const;

/** What the owner of a task may say about it. */
export interface TaskUpdate {
  status: (typeof TASK_STATES)[number];
  /** Per cent. */
  progress?: number | undefined;
  message?: string | undefined;
  result?: Json | undefined;
}

/** A task's status as it is stored and shown; `updatedAt` is ISO. */
export interface TaskStatus extends TaskUpdate {
  task: string;
  updatedAt: string;
}

/** How long a status outlives its last update, in seconds. */
export const TASK_TTL_SECONDS = 24 * 60 * 60;

export interface TaskStoreOptions {
  /** Where status lives before it moves to Redis, and beside it while both are written. */
  memory?: Cache | undefined;
  redis?: Cache | undefined;
  now?: () => Date;
}

/**
 * Status of import tasks, each readable only with its user's id: the user is part of the key, so
 * another user's task is not found rather than refused, and its existence stays unknown.
 *
 * With both stores given it is a dual write, for the days in which status moves to Redis: Redis
 * first, so that memory never knows more, and Redis is read first, so that other instances' updates
 * are seen. Memory answers for tasks that were written before the move.
 */
export class TaskStore {
  readonly #stores: readonly Cache[];
  readonly #now: () => Date;

  constructor(options: TaskStoreOptions) {
    this.#stores = [options.redis, options.memory].filter((store) => store !== undefined);
    if (this.#stores.length === 0) throw new TypeError('a task store needs memory or redis');
    this.#now = options.now ?? (() => new Date());
  }

  async get(user: string, task: string): Promise<TaskStatus | undefined> {
    for (const store of this.#stores) {
      const found = await store.get(keyOf(user, task));
      if (found !== undefined) return found as unknown as TaskStatus;
    }
    return undefined;
  }

  /** Replaces the status of the task; returns what was stored. */
  async put(user: string, task: string, update: TaskUpdate): Promise<TaskStatus> {
    const status: TaskStatus = { task, ...update, updatedAt: this.#now().toISOString() };
    for (const store of this.#stores) {
      await store.set(keyOf(user, task), status as unknown as Json, TASK_TTL_SECONDS);
    }
    return status;
  }
}

/** Ids must not hold `:`, or user `a:b` with task `c` would be user `a` with task `b:c`. */
function keyOf(user: string, task: string): string {
  if (user.includes(':') || task.includes(':')) throw new TypeError('an id must not hold a colon');
  return `${user}:${task}`;
}
