"""What must happen in one step in Redis, by its own clock: processes' clocks differ. Times are seconds, waits are ms.

Every key has an end, so that what nobody uses any more is gone by itself.
"""

from __future__ import annotations

_NOW = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local function ms(seconds) return math.max(1, math.ceil(seconds * 1000)) end
"""

# KEYS bucket, pause; ARGV tokens per second (0: no limit), burst -> {ms to wait, 1 where it is paused}
TAKE = (
    _NOW
    + """
local paused = redis.call('PTTL', KEYS[2])
if paused > 0 then return {paused, 1} end
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
if rate == 0 then return {0, 0} end
local had = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local gained = math.max(0, now - (tonumber(had[2]) or now)) * rate
local tokens = math.min(burst, (tonumber(had[1]) or burst) + gained)
local wait = 0
if tokens >= 1 - 1e-6 then tokens = tokens - 1 else wait = ms((1 - tokens) / rate) end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], ms(burst / rate) + 1000)
return {wait, 0}
"""
)

# KEYS pause; ARGV ms. A pause is never shortened.
PAUSE = """
if tonumber(ARGV[1]) > redis.call('PTTL', KEYS[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end
"""

# KEYS circuit; ARGV interval -> {verdict, ms to wait}. The one who gets 'probe' has claimed this interval.
ADMIT = (
    _NOW
    + """
local next_probe = tonumber(redis.call('HGET', KEYS[1], 'next_probe'))
if not next_probe then return {'go', 0} end
if now < next_probe then return {'stop', ms(next_probe - now)} end
redis.call('HSET', KEYS[1], 'next_probe', string.format('%.6f', now + ARGV[1]), 'probing', 1)
redis.call('PEXPIRE', KEYS[1], 3600000)
return {'probe', 0}
"""
)

# KEYS circuit; ARGV interval, window, most unreachable, most errors, symptom, 1 for a probe -> what it becomes by this
RECORD = (
    _NOW
    + """
local interval, window, symptom = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[5]
local most = {unreachable = tonumber(ARGV[3]), error = tonumber(ARGV[4])}
local failed = most[symptom]
local function set(...)
    redis.call('HSET', KEYS[1], ...)
    redis.call('PEXPIRE', KEYS[1], 3600000)
end
local function stamp(seconds) return string.format('%.6f', seconds) end
if redis.call('HEXISTS', KEYS[1], 'next_probe') == 1 then
    if ARGV[6] ~= '1' then return end
    redis.call('HDEL', KEYS[1], 'probing')
    if failed then return set('next_probe', stamp(now + interval)) end
    redis.call('HDEL', KEYS[1], 'next_probe')
    set('unreachable', most.unreachable - 1, 'error', most.error - 1, 'failed_at', stamp(now))
    return 'closed'
end
if symptom == 'ok' then redis.call('DEL', KEYS[1]) end
if not failed then return end
local failed_at = tonumber(redis.call('HGET', KEYS[1], 'failed_at'))
if failed_at and now - failed_at > window then redis.call('DEL', KEYS[1]) end
local count = redis.call('HINCRBY', KEYS[1], symptom, 1)
set('failed_at', stamp(now))
if count < failed then return end
set('next_probe', stamp(now + interval))
return 'open'
"""
)

# KEYS generation, entry -> {generation, now, value or nothing}. A generation that is gone is never the same again.
GET = (
    _NOW
    + """
local generation = redis.call('GET', KEYS[1])
if not generation then
    generation = string.format('%.0f', now * 1e6)
    redis.call('SET', KEYS[1], generation, 'PX', 86400000)
end
local entry = redis.call('HMGET', KEYS[2], 'generation', 'value')
return {generation, string.format('%.6f', now), entry[1] == generation and entry[2]}
"""
)

# KEYS generation, entry; ARGV generation, value, until. The end is fixed by the caller: a command that lay in
# a stopped server's queue must not store as fresh what was read long ago.
PUT = (
    _NOW
    + """
local left = ARGV[3] - now
if left <= 0 or redis.call('GET', KEYS[1]) ~= ARGV[1] then return end
redis.call('HSET', KEYS[2], 'generation', ARGV[1], 'value', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ms(left))
"""
)

# KEYS generation. Greater than before even if the clock was set back.
DROP = (
    _NOW
    + """
local generation = math.max(now * 1e6, (tonumber(redis.call('GET', KEYS[1])) or 0) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', generation), 'PX', 86400000)
"""
)
