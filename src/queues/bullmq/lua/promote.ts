import { SHARED } from './shared.js';

/** delayed -> waiting (promote.lua). A scheduler's iteration may be: the next follows from its own time. */
export const PROMOTE = `${SHARED}
-- BullMQ before 5 left a marker among the ids; a real one makes it superfluous.
local function dropMarker(list)
  local head = call('LINDEX', list, 0)
  if head and string.sub(head, 1, 2) == '0:' then call('LPOP', list) end
end

return each(function(job)
  if not call('ZSCORE', base .. 'delayed', job.id) then return { 'raced', 'not delayed any more' } end
  if job.changed then return { 'raced', 'has run since' } end
  local state = queue()
  local answer = { 'done', place(state, job.priority), job.parentKey and short(job.parentKey) or '', '',
    field(job, 'rjk') or '' }
  if dry then return answer end
  call('ZREM', base .. 'delayed', job.id)
  dropMarker(base .. state.list)
  enqueue(base, state, job.id, job.priority, 'LPUSH')
  emit(base, state, 'waiting', 'jobId', job.id, 'prev', 'delayed')
  call('HSET', job.key, 'delay', 0)
  return answer
end)
`;
