import { FLOW } from './flow.js';
import { SHARED } from './shared.js';

/**
 * A job that has not begun is removed. An active one is fenced: it fails for good in the same step in
 * which its lock is taken over (moveToFinished.lua without a next attempt), so whatever its worker
 * says afterwards is refused for the foreign lock, and a worker that listens to a failed renewal stops.
 * The foreign lock stays for a while: a retry in between would run the job twice.
 */
export const CANCEL = `${SHARED}${FLOW}
local REASON = 'cancelled by an operator (cache-ops)'

local active
local function isActive(id)
  if not active then
    active = {}
    for _, other in ipairs(call('LRANGE', base .. 'active', 0, -1)) do active[other] = true end
  end
  return active[id]
end

-- What a failure would do to the flow: a refusal, or the parent and whether it notes the failure.
local function consequences(job)
  local parent = parentOf(job)
  if not awaits(parent, job.key) then return nil end
  local options, name = parent.options, short(parent.key)
  if options.fpof then return { 'conflict', 'would fail its parent ' .. name, name } end
  if options.cpof then return { 'conflict', 'would release its parent ' .. name, name } end
  if not (options.idof or options.rdof) then return nil end
  if call('SCARD', parent.key .. ':dependencies') == 1 then
    return { 'conflict', 'would release its parent ' .. name, name }
  end
  return nil, parent, options.idof
end

local function stack(job)
  local trace = decoded(field(job, 'stacktrace'))
  trace[#trace + 1] = 'UnrecoverableError: ' .. REASON
  return cjson.encode(trace)
end

local function finalizeDeduplication(job, deid)
  local key = deid and base .. 'de:' .. deid
  if key and call('PTTL', key) == -1 and call('GET', key) == job.id then call('DEL', key) end
end

local function afterwards(state, job)
  local waiting = call('LLEN', base .. 'wait') + call('ZCARD', base .. 'prioritized')
  if waiting == 0 and call('LLEN', base .. 'active') == 0 then
    emit(base, state, 'drained')
  elseif waiting > 0 and not stateOf(base).held then
    -- A queue with a limit of concurrency has room again.
    call('ZADD', base .. 'marker', 0, '0')
  end
end

local function fence(job)
  local refusal, parent, noteFailure = consequences(job)
  if refusal then return refusal end
  local deid = field(job, 'deid')
  if deid and call('EXISTS', base .. 'dn:' .. deid) == 1 then
    return { 'conflict', 'a deduplicated successor waits for its regular end' }
  end
  local lost = call('EXISTS', job.key .. ':lock') == 0
  local answer = { 'fenced', 'its result will be refused; whether its worker has stopped is not known'
    .. (lost and ' (its lock had expired)' or ''), parent and short(parent.key) or '', '', field(job, 'rjk') or '' }
  if dry then return answer end
  local state = queue()
  if call('LREM', base .. 'active', -1, job.id) == 0 then return { 'raced', 'not active any more' } end
  active[job.id] = nil
  call('SET', job.key .. ':lock', 'cache-ops:fenced:' .. now, 'PX', hold)
  call('SREM', base .. 'stalled', job.id)
  finalizeDeduplication(job, deid)
  if parent then
    call('SREM', parent.key .. ':dependencies', job.key)
    if noteFailure then call('HSET', parent.key .. ':failed', job.key, REASON) end
  end
  local made = call('HINCRBY', job.key, 'atm', 1)
  call('ZADD', base .. 'failed', now, job.id)
  call('HSET', job.key, 'failedReason', REASON, 'stacktrace', stack(job), 'finishedOn', now)
  call('HDEL', job.key, 'defa')
  emit(base, state, 'failed', 'jobId', job.id, 'failedReason', REASON, 'prev', 'active')
  if made >= (tonumber(decoded(job.opts).attempts) or 1) then
    emit(base, state, 'retries-exhausted', 'jobId', job.id, 'attemptsMade', made)
  end
  afterwards(state, job)
  return answer
end

local function held(job)
  for _, set in ipairs({ 'completed', 'failed' }) do
    if call('ZSCORE', base .. set, job.id) then return { 'raced', 'has ' .. set .. ' already' } end
  end
  if call('ZSCORE', base .. 'waiting-children', job.id) then
    return { 'conflict', 'it waits for its children' }
  end
  local parent = parentOf(job)
  if awaits(parent, job.key) then
    local name = short(parent.key)
    return { 'conflict', 'its parent ' .. name .. ' waits for it', name }
  end
end

local function withdrawn(job)
  for _, set in ipairs({ 'delayed', 'prioritized' }) do
    if call('ZREM', base .. set, job.id) == 1 then return set end
  end
  for _, list in ipairs({ 'wait', 'paused' }) do
    if withdraw(base, list, job.id, job.added) then return list end
  end
end

return each(function(job)
  if isActive(job.id) then
    if job.changed then return { 'raced', 'has begun anew' } end
    return fence(job)
  end
  local scheduler = field(job, 'rjk')
  if isNext(job.id, scheduler) then
    return { 'scheduled', 'next iteration of scheduler ' .. scheduler, '', '', scheduler }
  end
  local refusal = held(job)
  if refusal then return refusal end
  if job.changed then return { 'raced', 'has run since' } end
  local answer = { 'done', 'removed before it began', '', '', scheduler or '' }
  if dry then return answer end
  local previous = withdrawn(job)
  if not previous then return { 'raced', 'moved meanwhile' } end
  erase(base, job.id, field(job, 'deid'), previous, queue().events)
  return answer
end)
`;
