import { type JobsOptions, Queue } from 'bullmq';
import type { Redis } from 'ioredis';

/** What BullMQ's moveToFailed leaves behind, for every job that waits. */
const FAIL = `
  local prefix, now, moved = ARGV[1], tonumber(ARGV[2]), 0
  local function fail(id)
    local number = tonumber(redis.call('HGET', prefix .. id, 'name')) or 0
    local reason = number % 2 == 0 and 'connect ETIMEDOUT 10.0.0.1:443' or 'bad address'
    redis.call('HSET', prefix .. id, 'failedReason', reason, 'finishedOn', now + moved,
      'processedOn', now, 'atm', '1', 'ats', '1', 'stacktrace', '["Error: ' .. reason .. '"]')
    redis.call('ZADD', prefix .. 'failed', now + moved, id)
    moved = moved + 1
  end
  local wait = redis.call('LRANGE', prefix .. 'wait', 0, -1)
  for at = #wait, 1, -1 do fail(wait[at]) end
  for _, id in ipairs(redis.call('ZRANGE', prefix .. 'prioritized', 0, -1)) do fail(id) end
  redis.call('DEL', prefix .. 'wait', prefix .. 'prioritized', prefix .. 'marker')
  return moved`;

/**
 * A BullMQ queue with so many failed jobs, made without a worker: of those with an even name the
 * error is ETIMEDOUT. Their ids are `job-0`, `job-1`, ...; `now` is when the first one failed.
 */
export async function failedJobs(
  redis: Redis,
  name: string,
  count: number,
  { now = Date.now(), options = () => ({}) }: Options = {},
): Promise<Queue> {
  const { host, port } = redis.options;
  const queue = new Queue(name, { connection: { host, port } as { host: string; port: number } });
  for (let from = 0; from < count; from += 5_000) {
    const numbers = Array.from({ length: Math.min(5_000, count - from) }, (_, at) => from + at);
    await queue.addBulk(
      numbers.map((number) => ({
        name: String(number),
        data: { number },
        opts: { jobId: `job-${number}`, ...options(number) },
      })),
    );
  }
  await redis.eval(FAIL, 0, `bull:${name}:`, now);
  return queue;
}

interface Options {
  now?: number;
  options?: (number: number) => JobsOptions;
}
