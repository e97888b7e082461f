"""The one interface that the engine sees, and the words of its answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from gateway.coordination.policy import Policy
from gateway.coordination.topics import Subscription

T = TypeVar("T")


class Kind(StrEnum):
    """Reads and writes of a connection have a circuit each."""

    READ = "read"
    WRITE = "write"


class Symptom(StrEnum):
    """What one call showed of the provider's health."""

    OK = "ok"
    DECLINED = "declined"  # a documented refusal: never counted as a failure
    ERROR = "error"  # a 5xx, or an answer that nobody can read
    UNREACHABLE = "unreachable"  # no answer at all


class CircuitState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"  # a probe is under way


class Verdict(StrEnum):
    GO = "go"
    PROBE = "probe"  # yours is the one probe of this interval: send a read, and record it as the probe
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Admission:
    """`wait`: seconds until the next probe, when the verdict is STOP."""

    verdict: Verdict
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a look into the cache found, and what `put` needs to store what is read because of it.

    `generation` changes with every drop; `offset` is the store's clock minus ours.
    """

    value: bytes | None
    generation: int
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Health:
    """`shared`: other gateways are being heard; else `why` not. Neither makes a gateway unready."""

    shared: bool
    why: str | None = None

    def __str__(self) -> str:
        return "ok" if self.shared else f"local: {self.why}"


class RedisUrlInvalid(ValueError):
    """Says nothing of the URL itself: it may hold a password."""

    def __init__(self) -> None:
        super().__init__("is no Redis URL: redis://, rediss:// or unix://")


class Coordination(Protocol):
    """What gateways share. No call raises because of Redis or waits for it for long; what is lost costs latency."""

    def adopt(self, policy: Policy) -> None:
        """From now on these limits count; what was counted so far stays."""

    async def take(self, name: str) -> float:
        """Takes one token of a connection's rate. Seconds to wait before asking again; 0: go."""

    async def pause(self, name: str, seconds: float) -> None:
        """Nobody sends on this connection before that many seconds have passed (a provider's Retry-After)."""

    async def admit(self, name: str, kind: Kind) -> Admission:
        """Whether a call may pass the connection's circuit."""

    async def record(self, name: str, kind: Kind, symptom: Symptom, *, probe: bool = False) -> None:
        """What a call showed. While a circuit is not closed only its probe counts."""

    async def circuit(self, name: str, kind: Kind) -> CircuitState:
        """For people to see; claims nothing."""

    async def get(self, connection: str, key: str) -> Look:
        """A cached read. Ask before the provider is asked, and hand the look to `put`."""

    async def put(self, connection: str, key: str, value: bytes, look: Look) -> None:
        """Keeps a read for a short time, unless the connection was dropped since the look."""

    async def drop(self, connection: str) -> None:
        """Forgets all cached reads of a connection, in every gateway."""

    async def once(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Runs work once for all who ask for it meanwhile in this process. Raises what the work raises."""

    async def wake(self, topic: str, payload: str = "") -> None:
        """Tells every subscriber of the topic, in every gateway. May be lost."""

    def subscribe(self, topic: str) -> Subscription:
        """Hears a topic until closed; a context manager."""

    def health(self) -> Health: ...

    async def close(self) -> None:
        """Ends what runs in the background. Calls are answered afterwards still, locally."""
