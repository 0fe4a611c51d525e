// BullMQ jobs by the hundred thousand: the keys that BullMQ 6.7 writes, made inside Redis by a script.
import { Queue } from 'bullmq';

/** Half of the failures match ETIMEDOUT; every tenth job has priority 3. */
const SCRIPT = `
local prefix, first, last, state, now = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local frames = ''
for line = 1, 8 do
  frames = frames .. '\\\\n    at frame' .. line .. ' (file:///srv/app/node_modules/client/connection.js:' .. line .. ':41)'
end
for i = first, last do
  local id = string.format('%d', i)
  local at = string.format('%d', now + i)
  local priority = i % 10 == 0 and '3' or '0'
  local opts = priority == '3' and '{"priority":3,"attempts":3}' or '{"attempts":3}'
  local fields = {
    'name', 'screen', 'opts', opts, 'priority', priority, 'delay', '0', 'timestamp', at,
    'data', '{"userId":"user-' .. i % 1000 .. '","paperId":' .. id .. ',"title":"On the screening of titles, part ' .. id .. '"}',
  }
  local function more(...) for _, value in ipairs({...}) do fields[#fields + 1] = value end end
  if state == 'failed' then
    local reason = i % 2 == 0 and 'connect ETIMEDOUT 10.0.4.' .. i % 250 .. ':443'
      or '429 Too Many Requests: quota of model ' .. i % 7 .. ' is used up'
    more('processedOn', at, 'finishedOn', at, 'atm', '3', 'ats', '3', 'failedReason', reason,
      'stacktrace', '["Error: ' .. reason .. frames .. '"]')
    redis.call('ZADD', prefix .. 'failed', at, id)
  elseif state == 'completed' then
    more('processedOn', at, 'finishedOn', at, 'atm', '1', 'ats', '1', 'returnvalue', '{"included":true}')
    redis.call('ZADD', prefix .. 'completed', at, id)
  else
    redis.call('LPUSH', prefix .. 'wait', id)
  end
  redis.call('HSET', prefix .. id, unpack(fields))
end
redis.call('SET', prefix .. 'id', ARGV[2])
redis.call('HSET', prefix .. 'meta', 'opts.maxLenEvents', '10000', 'version', 'bullmq:6.7.0')
`;

/** Adds jobs of a state with the ids from..from+count-1. */
export async function seed(redis, queue, count, { state = 'failed', from = 1 } = {}) {
  const sha = await redis.send('SCRIPT', 'LOAD', SCRIPT);
  const now = Date.now() - 3_600_000;
  for (let first = from; first < from + count; first += 10_000) {
    const last = Math.min(first + 9_999, from + count - 1);
    await redis.send('EVALSHA', sha, 1, `bull:${queue}:`, first, last, state, now);
  }
}

/** BullMQ itself finds the jobs that were made, in the state and with the fields they should have. */
export async function verifySeed(url, name, id, state) {
  const queue = new Queue(name, { connection: { url }, skipMetasUpdate: true });
  try {
    const job = await queue.getJob(id);
    const found = await job?.getState();
    if (found !== state || !job.data.paperId || job.opts.attempts !== 3) {
      throw new Error(`BullMQ does not read the seeded job ${id} as ${state}: ${found}`);
    }
    if (state === 'failed' && !(job.failedReason && job.stacktrace.length === 1)) {
      throw new Error(`BullMQ does not read the failure of the seeded job ${id}`);
    }
  } finally {
    await queue.close();
  }
}
