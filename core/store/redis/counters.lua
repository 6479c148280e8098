-- The counters of a store: reserve, settle, read, reset, each one atomic run of this script. The semantics are those of
-- ../counters/*.ts, which explains them; the same oracle judges both.
--
-- KEYS[1]  the number given to the last counter that was made; all other keys begin alike, up to its last colon
-- ARGV     operation, time in ms (empty: the server's), then what the operation takes
--
-- counter  <prefix>counter:<name>  msgpack: number, heldUntil, then what its algorithm saves
-- hold     <prefix>hold:<id>       msgpack: token, expires, then name, number, amount, mark of each charge
--
-- All numbers are whole and below 2^53, so that doubles hold them exactly. Replies are texts: Redis would cut what it
-- takes for integers.

local SAFE = 9007199254740991
local SLOTS = 128
-- Counters outlive what they count by this much: a clock that steps back, on this server or on the next, frees nothing.
local KEPT_MS = 60000
-- How long a hold outlives its end: an operation whose answer was lost may come again, or be cancelled.
local CLOSED_MS = 30000
local LONGEST_MS = 1e15

local floor, fmod, max, min, huge = math.floor, math.fmod, math.max, math.min, math.huge
local pack, unpack_state = cmsgpack.pack, cmsgpack.unpack
local base = string.sub(KEYS[1], 1, -8)

local function text(number)
  return number == huge and 'inf' or string.format('%.0f', number)
end

local now
if ARGV[2] == '' then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + floor(tonumber(time[2]) / 1000)
else
  now = tonumber(ARGV[2])
end

-- Quotient and rest of (a * b + c) / d, exactly, for whole numbers of at least 0. Products beyond 2^53 are summed bit
-- by bit of a, with a rest that never reaches d.
local function divide(a, b, c, d)
  local sum = a * b + c
  if sum <= SAFE then
    local rest = fmod(sum, d)
    return (sum - rest) / d, rest
  end
  local quotient, rest = 0, 0
  local function add(whole, part)
    quotient = quotient + whole
    if rest >= d - part then
      rest = rest - (d - part)
      quotient = quotient + 1
    else
      rest = rest + part
    end
  end
  local part = fmod(b, d)
  local whole = (b - part) / d
  for bit = 52, 0, -1 do
    add(quotient, rest)
    if fmod(floor(a / 2 ^ bit), 2) == 1 then add(whole, part) end
  end
  part = fmod(c, d)
  add((c - part) / d, part)
  return quotient, rest
end

-- Amounts by ascending key, flat from position 5 on: key, amount, key, amount; their sum is at position 4.
local function add_amount(s, key, amount)
  if amount == 0 then return end
  local at = #s + 1
  while at > 5 and s[at - 2] >= key do at = at - 2 end
  if s[at] ~= key then
    table.insert(s, at, 0)
    table.insert(s, at, key)
  end
  s[at + 1] = s[at + 1] + amount
  s[4] = s[4] + amount
  if s[at + 1] == 0 then
    table.remove(s, at)
    table.remove(s, at)
  end
end

local function drop_through(s, key)
  local count, length = 0, #s
  while 5 + count <= length and s[5 + count] <= key do
    s[4] = s[4] - s[6 + count]
    count = count + 2
  end
  if count == 0 then return end
  for at = 5, length do s[at] = s[at + count] end
end

local function key_freeing(s, amount)
  local sum = 0
  for at = 5, #s, 2 do
    sum = sum + s[at + 1]
    if sum >= amount then return s[at] end
  end
  return huge
end

local function pay(s, tokens)
  s[4] = s[4] + min(tokens, s[3] - s[4])
end

local TALLIES = {
  ['fixed-window'] = {
    new = function() return { 0, 0, 0, 0 } end,
    used = function(s) return s[4] end,
    advance = function(s, window)
      local period = floor(now / window)
      if period <= s[3] then return end
      s[3] = period
      s[4] = 0
    end,
    charge = function(s, amount)
      s[4] = s[4] + amount
      return s[3]
    end,
    correct = function(s, mark, reserved, actual)
      if mark == s[3] then s[4] = s[4] + actual - reserved end
    end,
    free_at = function(s, _, window) return (s[3] + 1) * window end,
  },
  ['sliding-window'] = {
    new = function() return { 0, 0, 0, 0 } end,
    used = function(s) return s[4] end,
    advance = function(s, window)
      local slot = floor(now * SLOTS / window)
      if slot <= s[3] then return end
      s[3] = slot
      drop_through(s, slot - SLOTS - 1)
    end,
    charge = function(s, amount)
      add_amount(s, s[3], amount)
      return s[3]
    end,
    correct = function(s, mark, reserved, actual)
      if mark + SLOTS >= s[3] then add_amount(s, mark, actual - reserved) end
    end,
    free_at = function(s, amount, window)
      return math.ceil((key_freeing(s, amount) + SLOTS + 1) * window / SLOTS)
    end,
  },
  -- 3 charged, 4 paid, 5 part, 6 at, 7 rate
  ['token-bucket'] = {
    new = function() return { 0, 0, 0, 0, 0, 0, 0 } end,
    used = function(s) return s[3] - s[4] end,
    advance = function(s, window)
      local elapsed = now - s[6]
      if elapsed <= 0 then return end
      s[6] = now
      local tokens, part = divide(elapsed, s[7], s[5], window)
      pay(s, tokens)
      s[5] = s[3] == s[4] and 0 or part
    end,
    set_rate = function(s, limit)
      if s[7] == limit then return false end
      s[7] = limit
      return true
    end,
    charge = function(s, amount)
      s[3] = s[3] + amount
      return s[3]
    end,
    correct = function(s, mark, reserved, actual)
      if actual >= reserved then
        s[3] = s[3] + actual - reserved
        return
      end
      local unpaid = mark - s[4] - (s[5] > 0 and 1 or 0)
      pay(s, min(reserved - actual, max(0, unpaid)))
      if s[3] == s[4] then s[5] = 0 end
    end,
    free_at = function(s, amount, window)
      if s[7] == 0 then return huge end
      local ms, rest = divide(amount - 1, window, window - s[5], s[7])
      return s[6] + ms + (rest > 0 and 1 or 0)
    end,
  },
  total = {
    new = function() return { 0, 0, 0 } end,
    used = function(s) return s[3] end,
    advance = function() end,
    charge = function(s, amount)
      s[3] = s[3] + amount
      return 0
    end,
    correct = function(s, _, reserved, actual) s[3] = s[3] + actual - reserved end,
    free_at = function() return huge end,
  },
  concurrency = {
    new = function() return { 0, 0, 0, 0 } end,
    used = function(s) return s[4] end,
    advance = function(s)
      if now <= s[3] then return end
      s[3] = now
      drop_through(s, now)
    end,
    charge = function(s, amount, expires)
      add_amount(s, expires, amount)
      return expires
    end,
    correct = function(s, mark, reserved)
      if mark > s[3] then add_amount(s, mark, -reserved) end
    end,
    free_at = function(s, amount) return key_freeing(s, amount) end,
  },
}

-- A counter as it is worked on: its key, its algorithm (tally), its window, its state; each is loaded once.
local counters = {}

local function find(name)
  local counter = counters[name]
  if counter then return counter end
  local algorithm, window = string.match(name, '^([^/]+)/(%d*)/')
  local tally = TALLIES[algorithm]
  local key = base .. 'counter:' .. name
  local saved = redis.call('GET', key)
  counter = { key = key, tally = tally, window = tonumber(window), is_new = not saved }
  counter.state = saved and unpack_state(saved) or tally.new()
  counters[name] = counter
  return counter
end

local function used(counter) return counter.tally.used(counter.state) end
local function free_at(counter, amount)
  return counter.tally.free_at(counter.state, amount, counter.window)
end

local function set(key, value, ttl)
  if ttl > LONGEST_MS then
    redis.call('SET', key, pack(value))
  else
    redis.call('SET', key, pack(value), 'PX', text(ttl))
  end
end

local function save(counter)
  local state = counter.state
  local idle_at = max(state[2], now)
  local amount = used(counter)
  if amount > 0 then idle_at = max(idle_at, free_at(counter, amount)) end
  set(counter.key, state, idle_at - now + KEPT_MS)
end

-- Which token a hold was made or settled under, when it expires (0: settled), and its charges.
local function find_hold(id)
  local saved = redis.call('GET', base .. 'hold:' .. id)
  return saved and unpack_state(saved)
end

local function state_of(reply, counter, capacity)
  local amount = used(counter)
  reply[#reply + 1] = text(max(0, capacity - amount))
  reply[#reply + 1] = amount == 0 and '0' or text(max(0, free_at(counter, amount) - now))
end

local function loaded(name, limit)
  local counter = find(name)
  local tally, state = counter.tally, counter.state
  tally.advance(state, counter.window)
  if tally.set_rate and tally.set_rate(state, limit) then counter.has_new_rate = true end
  return counter
end

-- id, token, ttlMs, then name, limit, capacity, amount of each charge. Replies 'ok' with the states of the charges,
-- 'held', 'cancelled', or 'refused' with the ms until they fit and for each charge 1 or 0 (refused or not) and its state.
local function reserve()
  local id, token, ttl = ARGV[3], ARGV[4], tonumber(ARGV[5])
  local held = find_hold(id)
  if held and held[2] == 0 and held[1] == token then return { 'cancelled' } end
  -- Asked again because the answer was lost: what is held, or was, stays as it is.
  local is_repeated = held and held[1] == token
  if held and held[2] > now and not is_repeated then return { 'held' } end
  local charges, sums, fit_at, fits = {}, {}, now, true
  for at = 6, #ARGV, 4 do
    local name, limit, capacity, amount =
      ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    charges[#charges + 1] =
      { name = name, amount = amount, capacity = capacity, counter = loaded(name, limit) }
  end
  for _, charge in ipairs(is_repeated and {} or charges) do
    local sum = (sums[charge.name] or 0) + charge.amount
    sums[charge.name] = sum
    local excess = used(charge.counter) + sum - charge.capacity
    if excess > 0 then
      fits = false
      charge.is_refused = true
      fit_at = max(fit_at, sum > charge.capacity and huge or free_at(charge.counter, excess))
    end
  end
  if fits and not is_repeated then
    local expires = now + ttl
    local hold = { token, expires }
    for _, charge in ipairs(charges) do
      local counter = charge.counter
      if counter.is_new then
        counter.state[1] = redis.call('INCR', KEYS[1])
        counter.is_new = false
      end
      counter.state[2] = max(counter.state[2], expires)
      local mark = counter.tally.charge(counter.state, charge.amount, expires)
      hold[#hold + 1] = charge.name
      hold[#hold + 1] = counter.state[1]
      hold[#hold + 1] = charge.amount
      hold[#hold + 1] = mark
    end
    for _, counter in pairs(counters) do save(counter) end
    set(base .. 'hold:' .. id, hold, ttl + CLOSED_MS)
  else
    for _, counter in pairs(counters) do
      if counter.has_new_rate and used(counter) > 0 then save(counter) end
    end
  end
  local reply = fits and { 'ok' } or { 'refused', text(fit_at - now) }
  for _, charge in ipairs(charges) do
    if not fits then reply[#reply + 1] = charge.is_refused and '1' or '0' end
    state_of(reply, charge.counter, charge.capacity)
  end
  return reply
end

-- Replaces what the charges of a hold were reserved for by `amounts`, or by nothing.
local function correct(hold, amounts)
  local count = (#hold - 2) / 4
  for at = 1, count do
    local name, number, amount, mark =
      hold[at * 4 - 1], hold[at * 4], hold[at * 4 + 1], hold[at * 4 + 2]
    local counter = find(name)
    -- Not the counter that was charged, if that one was reset.
    if counter.state[1] == number and not counter.is_new then
      counter.tally.advance(counter.state, counter.window)
      counter.tally.correct(counter.state, mark, amount, amounts and amounts[at] or 0)
      counter.is_changed = true
    end
  end
  for _, counter in pairs(counters) do
    if counter.is_changed then save(counter) end
  end
end

-- Leaves a mark in the place of a hold, so that the same request is known if it comes again.
local function close(id, token)
  redis.call('SET', base .. 'hold:' .. id, pack({ token, 0 }), 'PX', text(CLOSED_MS))
end

-- id, token, 'settle' or 'release', then for 'settle' what each charge came to. Replies 'yes', 'no', or the number of
-- charges where that of the amounts differs.
local function settle()
  local id, token, amounts = ARGV[3], ARGV[4], nil
  local hold = find_hold(id)
  if not hold then return { 'no' } end
  if hold[2] == 0 and hold[1] == token then return { 'yes' } end
  if hold[2] <= now then return { 'no' } end
  if ARGV[5] == 'settle' then
    local count = (#hold - 2) / 4
    if #ARGV - 5 ~= count then return { text(count) } end
    amounts = {}
    for at = 1, count do amounts[at] = tonumber(ARGV[5 + at]) end
  end
  correct(hold, amounts)
  close(id, token)
  return { 'yes' }
end

-- id, token: whoever asked for this reservation has been told that it failed. It is given back if it was made, and
-- refused if it is still to come, from a connection that has been given up.
local function cancel()
  local id, token = ARGV[3], ARGV[4]
  local hold = find_hold(id)
  if hold and hold[1] == token and hold[2] > 0 then
    -- Also one that has expired meanwhile: it was charged, and should not have been.
    correct(hold)
  elseif hold and hold[2] > now then
    return {}
  end
  close(id, token)
  return {}
end

-- Name, limit and capacity of each limit. Replies their states.
local function read()
  local reply = {}
  for at = 3, #ARGV, 3 do
    -- Loaded anew each time: limits of one counter may differ in their rates.
    counters = {}
    state_of(reply, loaded(ARGV[at], tonumber(ARGV[at + 1])), tonumber(ARGV[at + 2]))
  end
  return reply
end

-- Names.
local function reset()
  for at = 3, #ARGV do redis.call('DEL', base .. 'counter:' .. ARGV[at]) end
  return {}
end

local operations =
  { reserve = reserve, settle = settle, cancel = cancel, read = read, reset = reset }
return operations[ARGV[1]]()
