/**
 * KEYS: meta, wait, paused, marker, events, prioritized, delayed. ARGV[1] the layout: BullMQ 5 keeps the
 * waiting jobs of a paused queue in paused (pause.lua there), 6 leaves them in wait.
 * Answers done, already, or mixed when there is something in paused that a renaming would overwrite.
 */
export const PAUSE = `
local call = redis.call
if call('EXISTS', KEYS[1]) == 0 then return 'missing' end
if call('HEXISTS', KEYS[1], 'paused') == 1 then return 'already' end
if call('EXISTS', KEYS[3]) == 1 then return 'mixed' end
if ARGV[1] == '5' and call('EXISTS', KEYS[2]) == 1 then call('RENAME', KEYS[2], KEYS[3]) end
call('HSET', KEYS[1], 'paused', 1)
call('DEL', KEYS[4])
call('XADD', KEYS[5], '*', 'event', 'paused')
return 'done'
`;

/**
 * Keys as above; ARGV[1] how many jobs to move at most. Merges what both layouts have collected, as
 * BullMQ 6 does: jobs are taken from the right end, where those of paused, the older ones, come.
 * Answers `already`, or how many are left for another call.
 */
export const RESUME = `
local call = redis.call
local was = call('HDEL', KEYS[1], 'paused')
local left = call('LLEN', KEYS[3])
if was == 0 and left == 0 then return 'already' end
if left > 0 and call('EXISTS', KEYS[2]) == 0 then
  call('RENAME', KEYS[3], KEYS[2])
  left = 0
elseif left > 0 then
  local jobs = call('LRANGE', KEYS[3], 0, tonumber(ARGV[1]) - 1)
  call('RPUSH', KEYS[2], unpack(jobs))
  call('LTRIM', KEYS[3], #jobs, -1)
  left = left - #jobs
end
if call('LLEN', KEYS[2]) + call('ZCARD', KEYS[6]) > 0 then
  call('ZADD', KEYS[4], 0, '0')
else
  local next = call('ZRANGE', KEYS[7], 0, 0, 'WITHSCORES')
  if next[2] then call('ZADD', KEYS[4], tonumber(next[2]) / 0x1000, '1') end
end
if was == 1 then call('XADD', KEYS[5], '*', 'event', 'resumed') end
return left
`;
