import { SEEN_FIELDS, SEEN_SEPARATOR } from '../job.js';

const SEEN = SEEN_FIELDS.map((field) => `'${field}'`).join(', ');
const [FINISHED] = SEEN_FIELDS;

/** How a queue stands, whatever is done to its jobs. */
export const QUEUE = `
local call = redis.call

-- A paused queue of BullMQ 5 collects in paused, one of 6 in wait. With neither to be seen, paused:
-- a resume of 5 would rename paused over wait, one of 6 merges it back.
local function stateOf(prefix)
  local meta = call('HMGET', prefix .. 'meta', 'paused', 'concurrency', 'opts.maxLenEvents', 'version')
  local state = { list = 'wait', held = false, events = meta[3] or '10000', paused = meta[1] }
  if meta[1] then
    state.held = true
    local inSix = call('LLEN', prefix .. 'wait') > 0 or string.find(meta[4] or '', ':6%.')
    if call('LLEN', prefix .. 'paused') > 0 or not inSix then state.list = 'paused' end
  elseif meta[2] then
    state.held = call('LLEN', prefix .. 'active') >= tonumber(meta[2])
  end
  return state
end

-- The marker has an idle worker look for a job.
local function wake(prefix, state)
  if not state.held then call('ZADD', prefix .. 'marker', 0, '0') end
end
`;

/**
 * What every script over jobs begins with. `each` calls a function for every job and collects its
 * answers; a job that is not there or cannot be read is answered here and never touched. The reply is
 * the different answers, and which of them each job got: one answer for many jobs is sent once.
 *
 * KEYS[1] the queue's meta; ARGV: base (`bull:mail:`), scope (`bull:`), now in ms, 1 for a dry run,
 * 1 for cascade, the hold of a fence in ms, then id and `seen` of each job.
 * An answer: result, detail, parents and children a line each, scheduler.
 */
export const SHARED = `${QUEUE}
local base, scope, now, dry, cascade = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1', ARGV[5] == '1'
local hold = ARGV[6]

local function short(key)
  return string.sub(key, 1, #scope) == scope and string.sub(key, #scope + 1) or key
end

local function decoded(text)
  local ok, value = pcall(cjson.decode, text or '')
  return ok and type(value) == 'table' and value or {}
end

-- The next iteration of a scheduler carries the schedule on when a worker takes it, so it is known by
-- its time, wherever it is: repeat holds that time (isJobSchedulerJob; older repeat keys hash the name).
local function isNext(id, scheduler)
  local next = scheduler and call('ZSCORE', base .. 'repeat', scheduler)
  return next and string.sub(id, -#next - 1) == ':' .. next
end

local function emit(prefix, state, ...)
  call('XADD', prefix .. 'events', 'MAXLEN', '~', state.events, '*', 'event', ...)
end

-- To where workers take it from.
local function enqueue(prefix, state, id, priority, push)
  if priority > 0 then
    local turn = call('INCR', prefix .. 'pc')
    call('ZADD', prefix .. 'prioritized', priority * 0x100000000 + turn % 0x100000000, id)
  else
    call(push, prefix .. state.list, id)
  end
  wake(prefix, state)
end

local function place(state, priority)
  local words = priority > 0 and 'waiting, priority ' .. priority or 'waiting'
  return state.paused and words .. ', the queue is paused' or words
end

local own
local function queue()
  own = own or stateOf(base)
  return own
end

local function look(id, seen)
  local key = base .. id
  local fields
  if seen == '' then
    fields = redis.pcall('HMGET', key, 'timestamp', 'priority', 'opts', 'parentKey')
  elseif string.find(seen, '${SEEN_SEPARATOR}', 1, true) then
    fields = redis.pcall('HMGET', key, 'timestamp', 'priority', 'opts', 'parentKey', ${SEEN})
  else
    -- Of a finished job the time is enough.
    fields = redis.pcall('HMGET', key, 'timestamp', 'priority', 'opts', 'parentKey', '${FINISHED}')
  end
  if fields.err then return nil, { 'conflict', 'not a job' } end
  -- Every job has a timestamp; meta, a scheduler and other hashes of the queue have none.
  if not fields[1] then
    if call('EXISTS', key) == 0 then return nil, { 'missing', 'no such job' } end
    return nil, { 'conflict', 'not a job that can be read' }
  end
  for at = 5, #fields do fields[at] = fields[at] or '' end
  return {
    id = id, key = key, added = tonumber(fields[1]) or 0, priority = tonumber(fields[2]) or 0,
    opts = fields[3] or '', parentKey = fields[4] ~= '' and fields[4] or nil,
    changed = seen ~= '' and seen ~= table.concat(fields, '${SEEN_SEPARATOR}', 5),
  }
end

local function field(job, name)
  return call('HGET', job.key, name) or nil
end

local function lockOf(job)
  local token = call('GET', job.key .. ':lock')
  if not token then return nil end
  if string.sub(token, 1, 16) == 'cache-ops:fenced' then
    local left = math.ceil(call('PTTL', job.key .. ':lock') / 1000)
    return token, 'cancelled while active, its worker may still run; held for ' .. left .. ' s more'
  end
  return token, 'a worker holds it'
end

-- A job with a key of another type than BullMQ's is told, not tripped over.
local function attempt(work, job)
  local ok, answer = pcall(work, job)
  if ok then return answer end
  local message = type(answer) == 'table' and answer.err or tostring(answer)
  if not string.find(message, 'WRONGTYPE', 1, true) then error(answer, 0) end
  return { 'conflict', 'its keys are not as BullMQ keeps them' }
end

local function each(work)
  local answers, numbers, given = {}, {}, {}
  for at = 7, #ARGV, 2 do
    local job, answer = look(ARGV[at], ARGV[at + 1])
    if job then answer = attempt(work, job) end
    if not numbers[answer] then
      answers[#answers + 1] = answer
      numbers[answer] = #answers
    end
    given[#given + 1] = numbers[answer]
  end
  return { answers, given }
end
`;
