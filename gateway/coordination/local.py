"""One process by itself: what runs when no Redis is configured, and what stands in for one that does not answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.coordination.buckets import Buckets
from gateway.coordination.cache import Cache, Flights
from gateway.coordination.circuits import Circuits
from gateway.coordination.interface import Admission, CircuitState, Health, Kind, Look, Symptom
from gateway.coordination.policy import Policy
from gateway.coordination.topics import Subscription, Topics

T = TypeVar("T")


class LocalCoordination:
    """A Coordination without others."""

    def __init__(self, policy: Policy | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        policy = policy or Policy()
        self.gateways = 1  # among how many the rates are divided
        self.buckets = Buckets(policy, clock)
        self.topics = Topics()
        self._circuits = Circuits(policy.circuit, clock)
        self._cache = Cache(policy.cache, clock)
        self._flights = Flights()

    def adopt(self, policy: Policy) -> None:
        self.buckets.policy = policy
        self._circuits.policy = policy.circuit
        self._cache.policy = policy.cache

    async def take(self, name: str) -> float:
        return self.buckets.take(name, self.gateways)

    async def pause(self, name: str, seconds: float) -> None:
        self.buckets.pause(name, seconds)

    async def admit(self, name: str, kind: Kind) -> Admission:
        return self._circuits.admit(name, kind)

    async def record(self, name: str, kind: Kind, symptom: Symptom, *, probe: bool = False) -> None:
        self._circuits.record(name, kind, symptom, probe)

    async def circuit(self, name: str, kind: Kind) -> CircuitState:
        return self._circuits.state(name, kind)

    async def get(self, connection: str, key: str) -> Look:
        return self._cache.get(connection, key)

    async def put(self, connection: str, key: str, value: bytes, look: Look) -> None:
        self._cache.put(connection, key, value, look)

    async def drop(self, connection: str) -> None:
        self._cache.drop(connection)

    async def once(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        return await self._flights.once(key, work)

    async def wake(self, topic: str, payload: str = "") -> None:
        self.topics.tell(topic, payload)

    def subscribe(self, topic: str) -> Subscription:
        return self.topics.subscribe(topic)

    def health(self) -> Health:
        return Health(shared=False, why="no Redis is configured")

    async def close(self) -> None:
        self.topics.close()
        await self._flights.close()
