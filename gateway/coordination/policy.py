"""The knobs, with their defaults. All times are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls a minute in the long run, and `burst` at once after a rest."""

    per_minute: float
    burst: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.per_minute < float("inf") or self.burst < 1:
            raise ValueError("a rate needs more than 0 calls a minute and a burst of at least 1")

    @property
    def per_second(self) -> float:
        return self.per_minute / 60

    def divided(self, among: int) -> Rate:
        """One gateway's part, for when gateways cannot ask each other."""
        return Rate(self.per_minute / among, max(1, self.burst // among))


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """How many failures in a row open a circuit, each kind of failure by itself.

    A failure is forgotten after `window` without another; an open circuit lets one probe pass per `interval`.
    """

    unreachable: int = 3
    errors: int = 5
    window: float = 30.0
    interval: float = 5.0


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """`value_limit` and `total_limit` in bytes; the total is this process' own (Redis has its maxmemory)."""

    ttl: float = 2.0
    value_limit: int = 256 * 1024
    total_limit: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """How long Redis may take, and how long it is left alone once it failed.

    `timeout` bounds one command; `connect` bounds opening connections, for which no caller waits. The pause doubles
    from `first_pause` to `longest_pause`, and starts anew only after Redis answered for `calm` without a failure.
    """

    timeout: float = 0.05
    connect: float = 1.0
    first_pause: float = 0.1
    longest_pause: float = 5.0
    calm: float = 10.0
    heartbeat: float = 1.0


@dataclass(frozen=True, slots=True)
class Policy:
    """`rates` by connection, or by what else takes its turn; what is not named has no limit of ours.

    A connection obeys Retry-After in any case.
    """

    rates: Mapping[str, Rate] = field(default_factory=dict)
    circuit: CircuitPolicy = CircuitPolicy()
    cache: CachePolicy = CachePolicy()
    longest_retry_after: float = 24 * 3600.0
