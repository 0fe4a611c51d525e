import { FLOW } from './flow.js';
import { SHARED } from './shared.js';

/**
 * A job with all its keys (removeJob.lua), except: a parent that waits for it, or children that it
 * waits for, are reached with cascade only (BullMQ's clean deletes or releases them unasked).
 */
export const REMOVE = `${SHARED}${FLOW}
return each(function(job)
  local scheduler = field(job, 'rjk')
  if isNext(job.id, scheduler) then
    return { 'scheduled', 'next iteration of scheduler ' .. scheduler, '', '', scheduler }
  end
  local token, holder = lockOf(job)
  if token then return { 'locked', holder } end
  if job.changed then return { 'raced', 'has run since' } end
  local parent = parentOf(job)
  if not awaits(parent, job.key) then parent = nil end
  local names, children = parent and short(parent.key) or '', {}
  if call('SCARD', job.key .. ':dependencies') > 0 then
    local all, refusal = descendants(job.key, {})
    if not all then return refusal end
    children = all
  end
  local shown = {}
  for _, child in ipairs(children) do shown[#shown + 1] = short(child) end
  local list = table.concat(shown, '\\n')
  if not cascade and parent then
    return { 'conflict', 'its parent ' .. names .. ' waits for it', names, list, scheduler or '' }
  end
  if not cascade and #children > 0 then
    return { 'conflict', 'it waits for its child ' .. shown[1], names, list, scheduler or '' }
  end
  local detail = 'removed'
  if #children > 0 then detail = detail .. ' with ' .. #children .. ' children' end
  if parent then
    local last = call('SCARD', parent.key .. ':dependencies') == 1
      and call('ZSCORE', parent.prefix .. 'waiting-children', parent.id)
    detail = detail .. (last and ', releases its parent ' or ', no longer awaited by its parent ') .. names
  end
  local answer = { 'done', detail, names, list, scheduler or '' }
  if dry then return answer end
  for _, child in ipairs(children) do
    local prefix, id = split(child)
    local deid = field({ key = child }, 'deid')
    erase(prefix, id, deid, takeOut(prefix, id), stateOf(prefix).events)
  end
  local previous = takeOut(base, job.id, job.added)
  if parent then release(parent, job.key) end
  erase(base, job.id, field(job, 'deid'), previous, queue().events)
  if previous == 'active' then
    answer[2] = detail .. '; it was active without a lock: if a worker still runs it, its result is refused'
  end
  return answer
end)
`;
