import type { Redis } from 'ioredis';
import type { Place } from '../../src/queues/bulk/choose.js';
import type { Engine } from '../../src/queues/engine.js';
import { matches } from '../../src/queues/filter.js';
import type { Job } from '../../src/queues/job.js';
import type { Chosen, Outcome } from '../../src/queues/operation.js';
import type { JobState, QueueRef } from '../../src/queues/queue.js';

/** Moves a failed job once, and counts how often each was moved. */
const MOVE = `
  if redis.call('HGET', KEYS[1], ARGV[1]) ~= 'failed' then return 0 end
  redis.call('HSET', KEYS[1], ARGV[1], 'waiting')
  return redis.call('HINCRBY', KEYS[2], ARGV[1], 1)`;

export const ref = (queue: string): QueueRef => ({
  engine: 'bullmq',
  source: 'main',
  scope: 'bull',
  queue,
});

/**
 * The least that is an engine, on a real Redis: a queue is a hash of states. `dieAfter` jobs it
 * breaks in the middle of a chunk, as a kill does: moved, and nobody was told.
 */
export function doubleEngine(
  redis: Redis,
  { dieAfter = Number.POSITIVE_INFINITY, lanes = 1 } = {},
): Place {
  let left = dieAfter;
  const engine: Partial<Engine> = {
    lanes,
    name: 'bullmq',
    source: 'main',
    async *jobs(queue, filter) {
      const states = Object.entries(await redis.hgetall(queue.queue));
      const jobs = states
        .map(([id, state]) => job(queue, id, state as JobState, Number(id.slice(4)) || 0))
        .toSorted((a, b) => (b.finished_at ?? 0) - (a.finished_at ?? 0));
      for (let from = 0; from < jobs.length; from += 1_000) {
        yield jobs.slice(from, from + 1_000).filter((one) => matches(one, filter));
      }
    },
    async apply(queue, _, chosen: readonly Chosen[]) {
      const outcomes: Outcome[] = [];
      for (const { id } of chosen) {
        if (left === 0) throw new Error('killed');
        left -= 1;
        const moved = await redis.eval(MOVE, 2, queue.queue, `${queue.queue}:moves`, id);
        const result = moved === 0 ? 'raced' : 'done';
        outcomes.push({ ...queue, id, result, detail: moved === 0 ? 'is waiting' : 'waiting' });
      }
      return outcomes;
    },
  };
  return { engine: engine as Engine, ref: ref('mail') };
}

function job(queue: QueueRef, id: string, state: JobState, index: number): Job {
  return {
    ...queue,
    id,
    name: 'send',
    state,
    priority: 0,
    attempts_made: 1,
    attempts_max: 1,
    created_at: 1_000 + index,
    due_at: null,
    started_at: null,
    finished_at: 100_000 - index,
    error: index % 2 === 0 ? 'ETIMEDOUT' : 'refused',
    data: {},
    problem: id.startsWith('ghost') ? 'ghost' : null,
    seen: '1',
  };
}
