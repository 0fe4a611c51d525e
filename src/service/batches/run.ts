import type { Json } from '../cache/types.js';
import type { BatchStore } from './store.js';
import { type BatchRef, type Claim, FencedError, type ItemResult } from './types.js';

export interface ItemCall {
  /** Aborted when the batch was taken over or the worker is to end: what is saved then is refused. */
  signal: AbortSignal;
  /** The same whenever this item is worked on: for what must not happen twice outside. */
  key: string;
}

/**
 * Works on one item. What it throws makes the item a failed one, and the batch goes on. After a crash up
 * to ten items are worked on again whose results were not saved; see `ItemCall.key`.
 */
export type ItemWork = (item: Json, call: ItemCall) => Promise<ItemResult>;

export interface BatchOptions {
  /** Who works on it, for those who look at the task. */
  worker: string;
  /** Items between two checkpoints (default 10). */
  every?: number;
  /** Milliseconds between two signs of life (default 5,000). */
  heartbeatMs?: number;
  signal?: AbortSignal;
  /** Hears of the batch when it is taken. */
  onClaim?(claim: Claim): void;
  /** Hears of each checkpoint: items done of items in the batch. */
  onProgress?(done: number, total: number): Promise<void> | void;
}

/** How a batch ended for this worker. `left alone`: it was done already, or another is at it. */
export type BatchEnd = 'completed' | 'left alone' | 'taken over' | 'stopped';

/**
 * Does a batch from its last checkpoint on, saving every ten items. Rejects when it cannot be saved
 * (Postgres is away): the queue is to bring it again.
 */
export async function runBatch(
  store: BatchStore,
  ref: BatchRef,
  work: ItemWork,
  options: BatchOptions,
): Promise<BatchEnd> {
  const { worker, every = 10, signal, onProgress } = options;
  const claim = await store.claim(ref, worker);
  if (!claim) return 'left alone';
  options.onClaim?.(claim);
  const lost = new AbortController();
  const stop = signal ? AbortSignal.any([signal, lost.signal]) : lost.signal;
  const heart = beat(store, claim, options.heartbeatMs ?? 5_000, lost);
  try {
    while (claim.next < claim.items.length) {
      const some = claim.items.slice(claim.next, claim.next + every);
      const results: ItemResult[] = [];
      for (const [at, item] of some.entries()) {
        const key = `${claim.task}:${claim.first + claim.next + at}`;
        results.push(await workOn(item, work, { signal: stop, key }));
        // What an item came to while it was being stopped is not to be trusted.
        if (stop.aborted) return lost.signal.aborted ? 'taken over' : 'stopped';
      }
      await store.checkpoint(claim, results);
      await onProgress?.(claim.next, claim.items.length);
    }
    return 'completed';
  } catch (error) {
    if (error instanceof FencedError) return 'taken over';
    throw error;
  } finally {
    clearInterval(heart);
  }
}

async function workOn(item: Json, work: ItemWork, call: ItemCall): Promise<ItemResult> {
  try {
    return await work(item, call);
  } catch (error) {
    return { status: 'failed', value: { error: asError(error).message.slice(0, 1_000) } };
  }
}

/** Renews the lease, however long an item takes. A Postgres that is away for a moment takes nothing away. */
function beat(store: BatchStore, claim: Claim, every: number, lost: AbortController) {
  return setInterval(() => {
    store.heartbeat(claim).catch((error: unknown) => {
      if (error instanceof FencedError) lost.abort(error);
    });
  }, every).unref();
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
