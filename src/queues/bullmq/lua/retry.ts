import { FLOW } from './flow.js';
import { SHARED } from './shared.js';

/**
 * failed -> waiting, as job.retry() of BullMQ 6 does it (reprocessJob.lua), for 5 too: that one drops
 * the priority and does not give a child whose failure its parent has noted back to that parent.
 */
export const RETRY = `${SHARED}${FLOW}
-- A parent that has been released and has not ended would fail when it completes, had it a pending
-- child again: it goes on without.
local function takesBack(parent)
  for _, set in ipairs({ 'waiting-children', 'failed', 'completed' }) do
    if call('ZSCORE', parent.prefix .. set, parent.id) then return true end
  end
  return call('HEXISTS', parent.key, 'defa') == 1
end

-- The record of failed children was a sorted set before it was a hash.
local function noted(parent, key)
  if call('ZSCORE', parent.key .. ':unsuccessful', key) then return 'ZREM', ':unsuccessful' end
  local kind = call('TYPE', parent.key .. ':failed').ok
  if kind == 'hash' and call('HEXISTS', parent.key .. ':failed', key) == 1 then return 'HDEL', ':failed' end
  if kind == 'zset' and call('ZSCORE', parent.key .. ':failed', key) then return 'ZREM', ':failed' end
end

local function push(job)
  return string.find(job.opts, '"lifo"', 1, true) and decoded(job.opts).lifo and 'RPUSH' or 'LPUSH'
end

local function retry(job)
  local failed = call('ZSCORE', base .. 'failed', job.id)
  -- Somebody else has retried it: that a worker holds it by now is their doing.
  if job.changed then return { 'raced', failed and 'failed anew' or 'not failed any more' } end
  local token, holder = lockOf(job)
  if token then return { 'locked', holder } end
  if not failed then return { 'raced', 'not failed any more' } end
  local state, parent = queue(), parentOf(job)
  local detail, forget, record = place(state, job.priority), nil, nil
  if parent then forget, record = noted(parent, job.key) end
  if forget and takesBack(parent) then
    detail = detail .. ', its parent ' .. short(parent.key) .. ' counts on it again'
  elseif forget then
    detail = detail .. ', its parent ' .. short(parent.key) .. ' goes on without it'
    forget = nil
  end
  if dry then
    local culprit = call('ZRANGE', job.key .. ':unsuccessful', 0, 0)[1]
    if culprit then detail = detail .. ', but cannot complete before its child ' .. short(culprit) end
    return { 'done', detail, parent and short(parent.key) or '', '', field(job, 'rjk') or '' }
  end
  call('ZREM', base .. 'failed', job.id)
  enqueue(base, state, job.id, job.priority, push(job))
  call('HDEL', job.key, 'finishedOn', 'processedOn', 'failedReason')
  if forget then
    call(forget, parent.key .. record, job.key)
    call('SADD', parent.key .. ':dependencies', job.key)
  end
  emit(base, state, 'waiting', 'jobId', job.id, 'prev', 'failed')
  return { 'done', detail }
end

-- Found out before anything is moved: a wrong type there would leave jobs in no list.
call('LLEN', base .. queue().list)
call('ZCARD', base .. 'prioritized')
return each(retry)
`;
