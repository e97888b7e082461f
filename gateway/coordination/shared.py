"""N gateways over one Redis. Each call asks Redis once, shortly; whatever goes wrong, the stand-in answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.coordination.buckets import bounded
from gateway.coordination.commands import CONNECTIONS, Commands, new_client
from gateway.coordination.interface import Admission, CircuitState, Health, Kind, Look, Symptom
from gateway.coordination.link import Link, ended
from gateway.coordination.listener import Listener
from gateway.coordination.local import LocalCoordination
from gateway.coordination.policy import Patience, Policy
from gateway.coordination.topics import Subscription

T = TypeVar("T")

AT_ONCE = 64  # commands under way: what a larger crowd costs ourselves would be charged to Redis


class RedisCoordination:
    """A Coordination with all gateways of the same Redis, database and namespace."""

    def __init__(
        self,
        url: str,
        policy: Policy | None = None,
        patience: Patience | None = None,
        *,
        namespace: str = "payout-gateway",
    ) -> None:
        patience = patience or Patience()
        self._policy = policy or Policy()
        self._local = LocalCoordination(self._policy)
        self._clients = [new_client(url, patience, CONNECTIONS), new_client(url, patience, 1)]
        self._redis = Commands(self._clients[0], namespace)
        self._link = Link(patience, self._redis.connect, self._prove, at_once=AT_ONCE)
        self._listener = Listener(self._clients[1], self._redis.channel, patience, self._hear, self._beat)
        self._listening: asyncio.Task[None] | None = None
        self._myself = secrets.token_hex(8)
        self._owed: dict[str, object] = {}  # drops that Redis has not confirmed

    async def start(self) -> None:
        await self._link.start()
        self._listening = asyncio.create_task(self._listener.run())

    async def close(self) -> None:
        await ended(self._listening)
        await self._link.close()
        await self._local.close()
        for client in self._clients:
            with contextlib.suppress(Exception):
                await client.connection_pool.disconnect()

    def adopt(self, policy: Policy) -> None:
        self._policy = policy
        self._local.adopt(policy)

    def health(self) -> Health:
        return Health(self._link.why is None, self._link.why)

    @property
    def gateways(self) -> int:
        """How many share this Redis, as last heard; without it each takes that part of the rates."""
        return self._local.gateways

    async def take(self, name: str) -> float:
        paused = self._local.buckets.paused(name)
        if paused > 0:
            return paused
        return await self._link.ask(lambda: self._take(name), lambda: self._local.take(name))

    async def pause(self, name: str, seconds: float) -> None:
        await self._local.pause(name, seconds)
        ms = math.ceil(bounded(seconds, self._policy.longest_retry_after) * 1000)
        await self._link.ask(lambda: self._redis.pause(name, ms), _nothing)

    async def admit(self, name: str, kind: Kind) -> Admission:
        circuit = self._policy.circuit
        return await self._link.ask(
            lambda: self._redis.admit(name, kind, circuit), lambda: self._local.admit(name, kind)
        )

    async def record(self, name: str, kind: Kind, symptom: Symptom, *, probe: bool = False) -> None:
        await self._link.ask(
            lambda: self._redis.record(name, kind, symptom, probe, self._policy.circuit),
            lambda: self._local.record(name, kind, symptom, probe=probe),
        )

    async def circuit(self, name: str, kind: Kind) -> CircuitState:
        return await self._link.ask(lambda: self._redis.circuit(name, kind), lambda: self._local.circuit(name, kind))

    async def get(self, connection: str, key: str) -> Look:
        if connection in self._owed:  # others may still be served what we know to be outdated; we must not be
            return await self._missed(connection, key)
        return await self._link.ask(lambda: self._redis.get(connection, key), lambda: self._missed(connection, key))

    async def put(self, connection: str, key: str, value: bytes, look: Look) -> None:
        if len(value) > self._policy.cache.value_limit:
            return
        until = time.monotonic() + look.offset + self._policy.cache.ttl
        await self._link.ask(lambda: self._redis.put(connection, key, value, look.generation, until), _nothing)

    async def drop(self, connection: str) -> None:
        await self._local.drop(connection)
        self._owed[connection] = object()
        await self._link.ask(self._settle, _nothing)

    async def once(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        return await self._local.once(key, work)

    async def wake(self, topic: str, payload: str = "") -> None:
        await self._local.wake(topic, payload)
        message = json.dumps([self._myself, topic, payload])
        await self._link.ask(lambda: self._redis.publish(message), _nothing)

    def subscribe(self, topic: str) -> Subscription:
        return self._local.subscribe(topic)

    async def _take(self, name: str) -> float:
        wait, paused = await self._redis.take(name, self._policy.rates.get(name))
        if paused:
            await self._local.pause(name, wait)  # known here too, should Redis go
        elif wait == 0:
            self._local.buckets.spend(name)
        return wait

    async def _missed(self, connection: str, key: str) -> Look:
        """No cache while Redis is away: a drop elsewhere could not reach it. `put` refuses this look's generation."""
        return await self._local.get(connection, key)

    async def _prove(self) -> None:
        """What we failed to tell the others comes before anything is believed again."""
        await self._redis.ping()
        while self._owed:
            await self._settle()

    async def _settle(self) -> None:
        """Drops what is owed. A drop that was asked for meanwhile is a new one, and stays owed."""
        for connection, asked in list(self._owed.items()):
            await self._redis.drop(connection)
            if self._owed.get(connection) is asked:
                del self._owed[connection]

    def _hear(self, data: bytes) -> None:
        try:
            sender, topic, payload = json.loads(data)
        except (ValueError, TypeError):  # not one of us
            return
        if sender != self._myself:
            self._local.topics.tell(str(topic), str(payload))

    async def _beat(self) -> None:
        """Now and then: who else is there, and drops whose callers hung up before they were through."""

        async def beat() -> None:
            self._local.gateways = max(1, await self._redis.listeners())
            await self._settle()

        await self._link.ask(beat, _nothing)


async def _nothing() -> None:
    """The stand-in for what has no meaning within one process, or was done there already."""
