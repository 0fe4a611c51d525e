import { QUEUE } from './shared.js';

/**
 * Adds jobs as addStandardJob, addPrioritizedJob and addDelayedJob of BullMQ 5 and 6 do, unless the queue
 * has one of that id. Opening BullMQ's own Queue would write the queue's meta, and refuse a name with a colon.
 * KEYS[1] the queue's meta; ARGV: base, now in ms, then id, name, data, opts, priority and delay of each
 * job. Answers 1 or 0 for each.
 */
export const ADD = `${QUEUE}
local base, now = ARGV[1], tonumber(ARGV[2])
local state, reply = stateOf(ARGV[1]), {}
local function emit(...)
  call('XADD', base .. 'events', 'MAXLEN', '~', state.events, '*', 'event', ...)
end
for at = 3, #ARGV, 6 do
  local id, priority, delay = ARGV[at], tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local key = base .. id
  if call('EXISTS', key) == 1 then
    reply[#reply + 1] = 0
  else
    call('HSET', key, 'name', ARGV[at + 1], 'data', ARGV[at + 2], 'opts', ARGV[at + 3],
      'timestamp', now, 'delay', delay, 'priority', priority)
    emit('added', 'jobId', id, 'name', ARGV[at + 1])
    if delay > 0 then
      local score = (now + delay) * 0x1000
      local last = call('ZREVRANGEBYSCORE', base .. 'delayed', score + 0xfff, score, 'WITHSCORES', 'LIMIT', 0, 1)
      if last[2] and tonumber(last[2]) < score + 0xfff then score = tonumber(last[2]) + 1 end
      call('ZADD', base .. 'delayed', score, id)
      emit('delayed', 'jobId', id, 'delay', now + delay)
      local first = call('ZRANGE', base .. 'delayed', 0, 0, 'WITHSCORES')
      if not state.held then
        call('ZADD', base .. 'marker', math.floor(tonumber(first[2]) / 0x1000), '1')
      end
    else
      if priority > 0 then
        local turn = call('INCR', base .. 'pc')
        call('ZADD', base .. 'prioritized', priority * 0x100000000 + turn % 0x100000000, id)
      else
        call('LPUSH', base .. state.list, id)
      end
      wake(base, state)
      emit('waiting', 'jobId', id)
    end
    reply[#reply + 1] = 1
  end
end
return reply
`;

/**
 * Removes jobs that no worker has had yet. KEYS[1] the queue's meta; ARGV: base, then ids. Answers 1
 * (removed), 0 (a worker has had it) or -1 (not there) for each.
 */
export const TAKE_BACK = `
local call, base, reply = redis.call, ARGV[1], {}
for at = 2, #ARGV do
  local id = ARGV[at]
  local key = base .. id
  if call('EXISTS', key) == 0 then
    reply[#reply + 1] = -1
  elseif call('HEXISTS', key, 'processedOn') == 1 or call('HEXISTS', key, 'ats') == 1 then
    reply[#reply + 1] = 0
  else
    local found = call('LREM', base .. 'wait', 1, id) + call('LREM', base .. 'paused', 1, id)
      + call('ZREM', base .. 'prioritized', id) + call('ZREM', base .. 'delayed', id)
    if found == 0 then
      reply[#reply + 1] = 0
    else
      call('DEL', key, key .. ':logs')
      call('XADD', base .. 'events', '*', 'event', 'removed', 'jobId', id, 'prev', 'waiting')
      reply[#reply + 1] = 1
    end
  end
end
return reply
`;
