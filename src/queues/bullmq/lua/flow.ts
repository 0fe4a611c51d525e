/** Parents and children of a job, and its removal with them. Comes after SHARED. */
export const FLOW = `
local function split(key)
  local id = string.match(key, '.*:(.*)')
  return string.sub(key, 1, #key - #id), id
end

-- The queue's prefix and the id of the job's parent, if that is still there.
local function parentOf(job)
  if not job.parentKey or redis.pcall('EXISTS', job.parentKey) ~= 1 then return nil end
  local parent = decoded(field(job, 'parent'))
  if parent.queueKey and parent.id then
    return { key = job.parentKey, prefix = parent.queueKey .. ':', id = tostring(parent.id), options = parent }
  end
  local prefix, id = split(job.parentKey)
  return { key = job.parentKey, prefix = prefix, id = id, options = parent }
end

local function awaits(parent, key)
  return parent and call('SISMEMBER', parent.key .. ':dependencies', key) == 1
end

-- Every pending descendant; nil and a refusal when one of them must not be removed.
local function descendants(key, found)
  for _, child in ipairs(call('SMEMBERS', key .. ':dependencies')) do
    if #found >= 500 then return nil, { 'conflict', 'more than 500 children' } end
    if call('EXISTS', child .. ':lock') == 1 then
      return nil, { 'locked', 'a worker holds its child ' .. short(child) }
    end
    found[#found + 1] = child
    local all, refusal = descendants(child, found)
    if not all then return nil, refusal end
  end
  return found
end

-- A list is searched from its nearer end: jobs enter it at the left, so the older half is at the right.
local middles = {}
local function withdraw(prefix, list, id, added)
  local key = prefix .. list
  if not middles[key] then
    local ends = { call('LINDEX', key, 0), call('LINDEX', key, -1) }
    local sum = 0
    for at = 1, 2 do
      local time = ends[at] and redis.pcall('HGET', prefix .. ends[at], 'timestamp')
      sum = sum + (tonumber(type(time) == 'string' and time) or 0)
    end
    middles[key] = sum / 2
  end
  return call('LREM', key, added < middles[key] and -1 or 1, id) == 1
end

local function takeOut(prefix, id, added)
  for _, set in ipairs({ 'completed', 'waiting-children', 'delayed', 'failed', 'prioritized' }) do
    if call('ZREM', prefix .. set, id) == 1 then return set end
  end
  for _, list in ipairs({ 'wait', 'paused', 'active' }) do
    if withdraw(prefix, list, id, added or 0) then return list end
  end
  return 'unknown'
end

local function erase(prefix, id, deid, previous, events)
  local key = prefix .. id
  -- Only its own: another job may hold the deduplication id by now.
  if deid and call('GET', prefix .. 'de:' .. deid) == id then
    call('DEL', prefix .. 'de:' .. deid, prefix .. 'dn:' .. deid)
  end
  call('SREM', prefix .. 'stalled', id)
  call('DEL', key, key .. ':logs', key .. ':dependencies', key .. ':processed', key .. ':failed',
    key .. ':unsuccessful', key .. ':lock')
  call('XADD', prefix .. 'events', 'MAXLEN', '~', events, '*', 'event', 'removed', 'jobId', id,
    'prev', previous)
end

-- The parent no longer waits for this child: with the last one it runs.
local function release(parent, key)
  call('SREM', parent.key .. ':dependencies', key)
  if call('SCARD', parent.key .. ':dependencies') > 0 then return end
  if call('ZREM', parent.prefix .. 'waiting-children', parent.id) == 0 then return end
  local state = stateOf(parent.prefix)
  local priority = tonumber(call('HGET', parent.key, 'priority') or 0) or 0
  enqueue(parent.prefix, state, parent.id, priority, 'RPUSH')
  emit(parent.prefix, state, 'waiting', 'jobId', parent.id, 'prev', 'waiting-children')
end
`;
