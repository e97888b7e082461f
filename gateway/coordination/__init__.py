"""What gateways share to be quick and polite: limits, circuits, cached reads, wake-ups. Nothing that must be true.

    LocalCoordination   one process by itself, or the stand-in while Redis does not answer
    RedisCoordination   N gateways over one Redis (in `shared`); a slow Redis is as harmless as a dead one

Nothing here raises because of Redis, and nothing waits for it longer than `Patience.timeout`.
"""

from gateway.coordination.interface import (
    Admission,
    CircuitState,
    Coordination,
    Health,
    Kind,
    Look,
    RedisUrlInvalid,
    Symptom,
    Verdict,
)
from gateway.coordination.local import LocalCoordination
from gateway.coordination.opening import open_coordination
from gateway.coordination.policy import CachePolicy, CircuitPolicy, Patience, Policy, Rate
from gateway.coordination.recipes import cached, turn
from gateway.coordination.topics import Subscription

__all__ = [
    "Admission",
    "CachePolicy",
    "CircuitPolicy",
    "CircuitState",
    "Coordination",
    "Health",
    "Kind",
    "LocalCoordination",
    "Look",
    "Patience",
    "Policy",
    "Rate",
    "RedisUrlInvalid",
    "Subscription",
    "Symptom",
    "Verdict",
    "cached",
    "open_coordination",
    "turn",
]
