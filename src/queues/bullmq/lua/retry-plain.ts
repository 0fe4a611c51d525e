import { QUEUE } from './shared.js';

/**
 * RETRY for jobs of which nothing needs to be known but that they are as they were chosen: no parent, not
 * added to be taken first, with data that looks as what a worker can read. A third of its time; it leaves all others
 * alone. KEYS[1] the queue's meta; ARGV: base, then id and finishedOn of each job. Answers how the queue
 * stands (nothing, or that it is paused), then for each job the priority that it waits with, or -1.
 */
export const RETRY_PLAIN = `${QUEUE}
local try = redis.pcall
local OPEN, CLOSE, QUOTE = string.byte('{}"', 1, 3)
local base, state = ARGV[1], stateOf(ARGV[1])
local failed, events = base .. 'failed', base .. 'events'
local ids = {}
for at = 2, #ARGV, 2 do ids[#ids + 1] = ARGV[at] end
local scores = try('ZMSCORE', failed, unpack(ids))
if scores.err then
  -- Redis before 6.2 has no ZMSCORE.
  scores = {}
  for number, id in ipairs(ids) do scores[number] = call('ZSCORE', failed, id) end
end
-- Found out before anything is moved: a wrong type there would leave jobs in no list.
call('LLEN', base .. state.list)
call('ZCARD', base .. 'prioritized')

-- Data is taken for JSON by its ends: to decode it would take as long as all the rest. What is written
-- by hand, cut off or of another notation shows there.
local function looksLikeJson(data)
  local first, second = string.byte(data, 1, 2)
  local last = string.byte(data, -1)
  return first == OPEN and last == CLOSE and (second == QUOTE or second == CLOSE)
end

local reply = { state.paused and ', the queue is paused' or '' }
local moved, unranked, ranked = {}, {}, {}
local refusal
for number, id in ipairs(ids) do
  local key, priority = base .. id, -1
  if not refusal and scores[number] == ARGV[2 * number + 1] then
    local fields = try('HMGET', key, 'priority', 'parentKey', 'opts', 'data')
    local opts, data = fields[3], fields[4]
    -- Every failed job has the three fields: one that lacks them has been moved just now.
    if data and opts and not fields[2] and looksLikeJson(data)
      and not string.find(opts, '"lifo"', 1, true)
      and try('HDEL', key, 'finishedOn', 'processedOn', 'failedReason') == 3 then
      priority = tonumber(fields[1] or 0) or 0
      moved[#moved + 1] = id
      if priority > 0 then
        ranked[#ranked + 1] = priority
        ranked[#ranked + 1] = id
      else
        unranked[#unranked + 1] = id
      end
      local told = try('XADD', events, '*', 'event', 'waiting', 'jobId', id, 'prev', 'failed')
      -- What has been moved so far is put in its place before the refusal is passed on.
      refusal = type(told) == 'table' and told.err or refusal
    end
  end
  reply[number + 1] = priority
end
if #moved == 0 then return reply end
call('ZREM', failed, unpack(moved))
if #unranked > 0 then call('LPUSH', base .. state.list, unpack(unranked)) end
if #ranked > 0 then
  local turn = call('INCRBY', base .. 'pc', #ranked / 2) - #ranked / 2
  for at = 1, #ranked, 2 do
    turn = turn + 1
    ranked[at] = ranked[at] * 0x100000000 + turn % 0x100000000
  end
  call('ZADD', base .. 'prioritized', unpack(ranked))
end
wake(base, state)
if refusal then return redis.error_reply(refusal) end
call('XTRIM', events, 'MAXLEN', '~', state.events)
return reply
`;
