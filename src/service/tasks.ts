import type { MemoryCache } from './cache/memory.js';
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

/** Where status is written and read: this process's memory, Redis, or both, Redis first. */
export const TASK_MODES = ['memory', 'both', 'redis'] as const;
export type TaskMode = (typeof TASK_MODES)[number];

export interface TaskStoreOptions {
  /** Where status lives before it moves to Redis, and beside it while both are written. */
  memory?: MemoryCache | undefined;
  redis?: Cache | undefined;
  /** Default: whatever is given, both for both. */
  mode?: TaskMode | undefined;
  now?: () => Date;
}

/** A task's status in this process's memory, with its owner; `expiresAt` is ISO. */
export interface HeldTask {
  user: string;
  task: string;
  value: Json;
  expiresAt: string;
}

/** Changed tasks remembered for those who follow. */
const MAX_CHANGES = 10_000;

/**
 * Status of import tasks, each readable only with its user's id: the user is part of the key, so
 * another user's task is not found rather than refused, and its existence stays unknown.
 *
 * With both stores given it is a dual write, for the days in which status moves to Redis: Redis
 * first, so that memory never knows more, and Redis is read first, so that other instances' updates
 * are seen. Memory answers for tasks that were written before the move.
 */
export class TaskStore {
  #stores: readonly Cache[];
  #mode: TaskMode;
  readonly #redis: Cache | undefined;
  readonly #memory: MemoryCache | undefined;
  readonly #now: () => Date;
  /** The number of each task's last change, the oldest first. */
  readonly #changes = new Map<string, number>();
  #last = 0;
  /** Changes up to this one may be forgotten. */
  #forgotten = 0;

  constructor(options: TaskStoreOptions) {
    const { redis, memory, mode } = options;
    this.#redis = redis;
    this.#memory = memory;
    this.#mode = mode ?? (redis && memory ? 'both' : redis ? 'redis' : 'memory');
    this.#stores = this.#storesOf(this.#mode);
    this.#now = options.now ?? (() => new Date());
  }

  get mode(): TaskMode {
    return this.#mode;
  }

  /** Another mode from now on, without a restart: that would lose what only memory has. */
  use(mode: TaskMode): void {
    this.#stores = this.#storesOf(mode);
    this.#mode = mode;
  }

  #storesOf(mode: TaskMode): readonly Cache[] {
    const stores = [mode !== 'memory' && this.#redis, mode !== 'redis' && this.#memory];
    const given = stores.filter((store) => typeof store === 'object');
    if (given.length < (mode === 'both' ? 2 : 1)) throw new TypeError(`no store for ${mode}`);
    return given;
  }

  /** The number of the last change. */
  get lastChange(): number {
    return this.#last;
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
    this.#note(keyOf(user, task));
    return status;
  }

  /** Tasks in memory whose keys come after `cursor` (all, for none), and where to go on. */
  held(cursor: string | undefined, limit: number): { entries: HeldTask[]; next: string | null } {
    const keys = (this.#memory?.keys() ?? []).filter((key) => cursor === undefined || key > cursor);
    const page = keys.slice(0, limit);
    return {
      entries: this.#heldOf(page),
      next: keys.length > limit ? (page.at(-1) ?? null) : null,
    };
  }

  /**
   * Tasks in memory that were changed after the change of this number, the oldest change first, and the
   * number to go on with. Undefined when that is too long ago to be known.
   */
  changedSince(number: number, limit: number): { entries: HeldTask[]; next: number } | undefined {
    if (number < this.#forgotten || number > this.#last) return undefined;
    const page = [...this.#changes].filter(([, change]) => change > number).slice(0, limit);
    return {
      entries: this.#heldOf(page.map(([key]) => key)),
      next: page.at(-1)?.[1] ?? number,
    };
  }

  #note(key: string): void {
    this.#last += 1;
    this.#changes.delete(key);
    this.#changes.set(key, this.#last);
    for (const [oldest, change] of this.#changes) {
      if (this.#changes.size <= MAX_CHANGES) break;
      this.#changes.delete(oldest);
      this.#forgotten = change;
    }
  }

  #heldOf(keys: readonly string[]): HeldTask[] {
    return keys.flatMap((key) => {
      const entry = this.#memory?.peek(key);
      if (!entry) return [];
      const [user = '', task = ''] = key.split(':');
      const expiresAt = new Date(this.#now().getTime() + entry.leftMs).toISOString();
      return { user, task, value: JSON.parse(entry.json) as Json, expiresAt };
    });
  }
}

/** Ids must not hold `:`, or user `a:b` with task `c` would be user `a` with task `b:c`. */
function keyOf(user: string, task: string): string {
  if (user.includes(':') || task.includes(':')) throw new TypeError('an id must not hold a colon');
  return `${user}:${task}`;
}
