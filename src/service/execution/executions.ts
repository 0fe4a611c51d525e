import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Json } from '../cache/types.js';
import { type Lock, Locks, StaleFenceError } from './lock.js';

export interface ExecutionOptions {
  /** `{prefix}:{env}:`; records are under `execution:`, locks under `lock:execution:`. */
  keyPrefix: string;
  owner: string;
  /** How long a lock lives without a sign of life, in milliseconds (default 30 s). */
  lockMs?: number;
  /** How long one that was completed is not done again, in milliseconds (default 5 minutes). */
  windowMs?: number;
  /** How long a record is kept, in milliseconds (default 24 h). */
  recordMs?: number;
}

/** What is known of an execution; times are ISO. Stored as a Redis hash of texts. */
export interface ExecutionRecord {
  id: string;
  state: 'executing' | 'completed' | 'failed';
  /** Of this run; a new one with every start. */
  execution: string;
  owner: string;
  fence: number;
  progress: number;
  message?: string;
  result?: Json;
  error?: string;
  startedAt: string;
  endedAt?: string;
}

/** Why an execution was not begun. */
export type Refusal =
  | { started: false; because: 'executing'; record: ExecutionRecord | undefined }
  | { started: false; because: 'completed'; record: ExecutionRecord };

/** What the one who may execute gets. Everything it says is refused (StaleFenceError) once its lock has lapsed. */
export interface Execution {
  started: true;
  execution: string;
  fence: number;
  progress(percent: number, message?: string): Promise<void>;
  succeed(result?: Json): Promise<void>;
  fail(error: string): Promise<void>;
}

/** Writes fields of the record unless a later run has begun. */
const WRITE = `
local last = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
if tonumber(ARGV[1]) < last then return 0 end
if ARGV[3] == 'new' then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`;

/**
 * Work that must be done once however often it is asked for: a start is refused while it is executing and
 * for five minutes after it was completed. A process that dies lets go of its lock within half a minute;
 * the next start then takes over.
 */
export class Executions {
  readonly #client: Redis;
  readonly #locks: Locks;
  readonly #options: Required<ExecutionOptions>;

  constructor(client: Redis, options: ExecutionOptions) {
    this.#client = client;
    this.#options = { lockMs: 30_000, windowMs: 300_000, recordMs: 86_400_000, ...options };
    const { keyPrefix, owner } = this.#options;
    this.#locks = new Locks(client, { prefix: `${keyPrefix}lock:execution:`, owner });
  }

  /** Begins to execute `id`, or says why not. Of any number of simultaneous starts one begins. */
  async start(id: string): Promise<Execution | Refusal> {
    const before = await this.#refusal(id);
    if (before) return before;
    const { lockMs, recordMs, owner } = this.#options;
    const lock = await this.#locks.take(id, lockMs);
    if (!lock) return { started: false, because: 'executing', record: await this.get(id) };
    // Looked at again: it may have been completed between the first look and the lock.
    const between = await this.#refusal(id);
    if (between?.because === 'completed') {
      await this.#locks.release(lock);
      return between;
    }
    const execution = randomUUID();
    const startedAt = new Date().toISOString();
    await this.#write(id, lock, recordMs, 'new', {
      ...{ id, state: 'executing', execution, owner, progress: '0', startedAt },
    });
    return this.#context(id, lock, execution);
  }

  async get(id: string): Promise<ExecutionRecord | undefined> {
    const fields = await this.#client.hgetall(this.#key(id));
    if (!fields.execution) return undefined;
    const { fence, progress, result, ...texts } = fields;
    return {
      ...(texts as unknown as ExecutionRecord),
      fence: Number(fence),
      progress: Number(progress),
      ...(result !== undefined && { result: JSON.parse(result) as Json }),
    };
  }

  async #refusal(id: string): Promise<Refusal | undefined> {
    const record = await this.get(id);
    if (record?.state !== 'completed' || !record.endedAt) return undefined;
    const age = Date.now() - Date.parse(record.endedAt);
    return age < this.#options.windowMs
      ? { started: false, because: 'completed', record }
      : undefined;
  }

  #context(id: string, lock: Lock, execution: string): Execution {
    const { lockMs, recordMs } = this.#options;
    const renewing = setInterval(() => {
      this.#locks.renew(lock, lockMs).catch(() => {});
    }, lockMs / 3).unref();
    const end = async (fields: Record<string, string>) => {
      clearInterval(renewing);
      const endedAt = new Date().toISOString();
      try {
        await this.#write(id, lock, recordMs, 'more', { ...fields, endedAt });
      } finally {
        await this.#locks.release(lock);
      }
    };
    return {
      started: true,
      execution,
      fence: lock.fence,
      progress: (percent, message) =>
        this.#write(id, lock, recordMs, 'more', {
          progress: String(percent),
          ...(message !== undefined && { message }),
        }),
      succeed: (result) =>
        end({
          state: 'completed',
          progress: '100',
          ...(result !== undefined && { result: JSON.stringify(result) }),
        }),
      fail: (error) => end({ state: 'failed', error }),
    };
  }

  async #write(
    id: string,
    { fence }: Lock,
    ttlMs: number,
    mode: 'new' | 'more',
    fields: Record<string, string>,
  ): Promise<void> {
    const flat = Object.entries(fields).flat();
    const taken = await this.#client.eval(WRITE, 1, this.#key(id), fence, ttlMs, mode, ...flat);
    if (taken !== 1) throw new StaleFenceError(`execution ${id} has been taken over`);
  }

  #key(id: string): string {
    return `${this.#options.keyPrefix}execution:{${id}}`;
  }
}
