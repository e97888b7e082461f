"""Rate limits inside one process. The script `TAKE` does the same by Redis' clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gateway.coordination.policy import Policy, Rate

WHOLE = 1 - 1e-6  # one token, give or take what adding fractions loses


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float

    def fill(self, rate: Rate, now: float) -> None:
        gained = max(0.0, now - self.at) * rate.per_second
        self.tokens = min(float(rate.burst), self.tokens + gained)
        self.at = now


class Buckets:
    """One token bucket per connection, and when a paused one may send again."""

    def __init__(self, policy: Policy, clock: Callable[[], float]) -> None:
        self.policy = policy
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}
        self._paused_until: dict[str, float] = {}

    def take(self, name: str, gateways: int = 1) -> float:
        """Seconds to wait, or 0 and a token is taken. `gateways`: among how many the rate is divided."""
        paused = self.paused(name)
        if paused > 0 or name not in self.policy.rates:
            return paused
        rate = self.policy.rates[name].divided(gateways)
        bucket = self._filled(name, rate)
        if bucket.tokens >= WHOLE:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) / rate.per_second

    def spend(self, name: str) -> None:
        """A token was taken elsewhere: should this bucket be needed, it is no fresh one."""
        if name in self.policy.rates:
            bucket = self._filled(name, self.policy.rates[name])
            bucket.tokens = max(0.0, bucket.tokens - 1)

    def pause(self, name: str, seconds: float) -> None:
        until = self._clock() + bounded(seconds, self.policy.longest_retry_after)
        self._paused_until[name] = max(until, self._paused_until.get(name, until))

    def paused(self, name: str) -> float:
        return max(0.0, self._paused_until.get(name, -math.inf) - self._clock())

    def _filled(self, name: str, rate: Rate) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(name, _Bucket(rate.burst, now))
        bucket.fill(rate, now)
        return bucket


def bounded(seconds: float, most: float) -> float:
    """What a provider asks for may be anything; NaN and the negative are nothing."""
    return min(seconds, most) if seconds > 0 else 0.0
