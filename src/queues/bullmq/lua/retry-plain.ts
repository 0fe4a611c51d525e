import { QUEUE } from './shared.js';

/**
 * RETRY for jobs of which nothing needs to be known but that they are as they were chosen: no parent, not
 * added to be taken first, with data that looks as what a worker can read. A third of its time; it leaves all others
 * alone. KEYS[1] the queue's meta; ARGV: base, the ids of the jobs, then the finishedOn of each. Answers how
 * the queue stands (nothing, or that it is paused), then, of those that do not just wait, number and
 * priority in turn, -1 for one that was left alone.
 *
 * It is the time of every bulk retry. What a job costs the server is above all the memory that is touched for
 * it, a field of its hash being a place of its own: HDEL is going to need finishedOn anyway.
 */
export const RETRY_PLAIN = `${QUEUE}
local try, byte, find = redis.pcall, string.byte, string.find
local OPEN, CLOSE, QUOTE = byte('{}"', 1, 3)
local base, state = ARGV[1], stateOf(ARGV[1])
local failed, events = base .. 'failed', base .. 'events'
local count = (#ARGV - 1) / 2

-- The failed jobs that one after another are these, if they are: ZMSCORE would have every score written
-- out, which takes Redis before 7.2 longer than to find the job. Otherwise each is asked for.
local function standing()
  local first, last = call('ZRANK', failed, ARGV[2]), call('ZRANK', failed, ARGV[count + 1])
  if first and last and last - first == count - 1 then return call('ZRANGE', failed, first, last) end
  local scores = try('ZMSCORE', failed, unpack(ARGV, 2, count + 1))
  local there = {}
  for number = 1, count do
    local id = ARGV[number + 1]
    -- Redis before 6.2 has no ZMSCORE.
    local score = scores[number]
    if scores.err then score = call('ZSCORE', failed, id) end
    there[number] = score and id
  end
  return there
end

local there = standing()
-- Found out before anything is moved: a wrong type there would leave jobs in no list.
call('LLEN', base .. state.list)
call('ZCARD', base .. 'prioritized')

local reply = { state.paused and ', the queue is paused' or '' }
local moved, unranked, ranked = {}, {}, {}
local refusal

-- Whether the job was moved. Data is taken for JSON by its ends: to decode it would take as long as all
-- the rest. What is written by hand, cut off or of another notation shows there.
local function retried(id, finished)
  local key = base .. id
  local fields = try('HMGET', key, 'finishedOn', 'priority', 'parentKey', 'opts', 'data')
  local priority, opts, data = fields[2], fields[4], fields[5]
  if fields[1] ~= finished or fields[3] or not opts or not data then return false end
  local first, second = byte(data, 1, 2)
  if first ~= OPEN or second ~= QUOTE and second ~= CLOSE or byte(data, -1) ~= CLOSE then return false end
  if find(opts, '"lifo"', 1, true) then return false end
  -- Every failed job has the three fields: one that lacks them has been moved just now.
  if try('HDEL', key, 'finishedOn', 'processedOn', 'failedReason') ~= 3 then return false end
  moved[#moved + 1] = id
  priority = priority and priority ~= '0' and tonumber(priority) or 0
  if priority > 0 then
    ranked[#ranked + 1] = priority
    ranked[#ranked + 1] = id
  else
    unranked[#unranked + 1] = id
  end
  local told = try('XADD', events, '*', 'event', 'waiting', 'jobId', id, 'prev', 'failed')
  -- What has been moved so far is put in its place before the refusal is passed on.
  if type(told) == 'table' then refusal = told.err end
  return true, priority
end

for number = 1, count do
  local id = ARGV[number + 1]
  local done, priority = false, -1
  if there[number] == id and not refusal then done, priority = retried(id, ARGV[number + count + 1]) end
  if not done or priority > 0 then
    reply[#reply + 1] = number
    reply[#reply + 1] = done and priority or -1
  end
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
