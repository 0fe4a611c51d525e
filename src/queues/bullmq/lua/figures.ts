import { PARTS } from '../keys.js';

const SIZES = PARTS.map(
  ({ name, kind }) =>
    `['${name}'] = call('${kind === 'list' ? 'LLEN' : 'ZCARD'}', base .. '${name}')`,
);
const COUNTS = PARTS.map(({ name }) => `size['${name}']`);

/**
 * The raw figures of queues (`RawQueue`), as many as the budget allows; whoever asks goes on with the
 * next. One queue's replies are of one moment. What a key of another type or a missing right answers
 * stands among them as the error that it is.
 *
 * KEYS: the queues' meta; the other keys are made of it, as BullMQ's own scripts do. ARGV: since when
 * failures count (ms), how many active jobs are looked at, the budget, and what a queue without active
 * jobs takes of it; an active job takes 1.
 */
export const FIGURES = `
local call = redis.pcall
local since, most, budget, each = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local function itemsOf(list)
  local items = {}
  if not list.err then
    -- BullMQ before 5 left markers such as 0:0 among the ids.
    for _, id in ipairs(list) do if string.sub(id, 1, 2) ~= '0:' then items[#items + 1] = id end end
  end
  return items
end

-- Most parts of most queues are empty, and need no look into them.
local function within(size, none, ...)
  if type(size) ~= 'number' then return size end
  return size == 0 and none or call(...)
end

-- Nothing can come between the list and the locks here.
local function stalled(base, size)
  local list = within(size, {}, 'LRANGE', base .. 'active', 0, most - 1)
  if list.err then return list end
  local locks = itemsOf(list)
  for at, id in ipairs(locks) do locks[at] = base .. id .. ':lock' end
  local without = #locks
  for from = 1, #locks, 500 do
    local held = call('EXISTS', unpack(locks, from, math.min(from + 499, #locks)))
    if type(held) ~= 'number' then return held end
    without = without - held
  end
  return without
end

local replies, spent = {}, 0
for at, meta in ipairs(KEYS) do
  local base = string.sub(meta, 1, -5)
  local size = { ${SIZES.join(', ')} }
  local cost = each + (type(size.active) == 'number' and math.min(size.active, most) or 0)
  spent = spent + cost
  if at > 1 and spent > budget then break end
  -- Jobs are taken from the right end.
  local ends = {
    within(size.wait, {}, 'LRANGE', base .. 'wait', -2, -1),
    within(size.paused, {}, 'LRANGE', base .. 'paused', -2, -1),
    within(size.prioritized, {}, 'ZRANGE', base .. 'prioritized', 0, 1),
  }
  local times = {}
  for _, list in ipairs(ends) do
    for _, id in ipairs(itemsOf(list)) do
      times[#times + 1] = call('HMGET', base .. id, 'timestamp', 'delay')
    end
  end
  replies[at] = {
    { ${COUNTS.join(', ')} },
    call('HGET', meta, 'paused'),
    within(size.failed, 0, 'ZCOUNT', base .. 'failed', since, '+inf'),
    ends,
    times,
    stalled(base, size.active),
  }
end
return replies
`;
