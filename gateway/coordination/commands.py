"""What is said to Redis, and under which keys. Raises whatever goes wrong; `Link` is there to hear it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from gateway.coordination import scripts
from gateway.coordination.circuits import tell
from gateway.coordination.interface import Admission, CircuitState, Kind, Look, RedisUrlInvalid, Symptom, Verdict
from gateway.coordination.policy import CircuitPolicy, Patience, Rate
from gateway.coordination.together import Together

CONNECTIONS = 2  # one that is given up, and the one in its place


def new_client(url: str, patience: Patience, connections: int) -> Redis:
    """No retries, and no greetings that cost a round trip: `Link` decides when to try again. Raises RedisUrlInvalid."""
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=None,
            protocol=2,
            driver_info=None,
            retry=Retry(NoBackoff(), 0),
            # Not redis-py's own: it would use `wait_for`, which may swallow a cancellation before Python 3.12.
            socket_timeout=None,
            socket_connect_timeout=patience.connect,
        )
    except ValueError:
        raise RedisUrlInvalid from None
    return Redis(connection_pool=pool)


class Script:
    """A script by its digest, or as a whole where a server has forgotten it."""

    def __init__(self, run: Callable[..., Awaitable[Any]], text: str) -> None:
        self._run = run
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        try:
            return await self._run("EVALSHA", self._digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._run("EVAL", self._text, len(keys), *keys, *arguments)


class Commands:
    """One method per question; each is one round trip."""

    def __init__(self, client: Redis, namespace: str) -> None:
        database = client.connection_pool.connection_kwargs.get("db") or 0
        self._prefix = f"{namespace}:{database}"
        self.channel = f"{self._prefix}:wake"  # channels are one for all databases, hence the number
        self._execute: Any = client.execute_command
        self._run = Together(client).execute
        self._take = Script(self._run, scripts.TAKE)
        self._pause = Script(self._run, scripts.PAUSE)
        self._admit = Script(self._run, scripts.ADMIT)
        self._record = Script(self._run, scripts.RECORD)
        self._get = Script(self._run, scripts.GET)
        self._put = Script(self._run, scripts.PUT)
        self._drop = Script(self._run, scripts.DROP)

    async def connect(self) -> None:
        """All connections at once: opening one costs more than a command may take, TLS above all."""
        async with asyncio.TaskGroup() as opening:
            for _ in range(CONNECTIONS):
                opening.create_task(self._execute("PING"))

    async def ping(self) -> None:
        await self._run("PING")

    async def take(self, name: str, rate: Rate | None) -> tuple[float, bool]:
        """Seconds to wait, and whether that is because of a pause."""
        limits = [rate.per_second, rate.burst] if rate else [0, 1]
        ms, paused = await self._take([self._key(name, "bucket"), self._key(name, "pause")], limits)
        return int(ms) / 1000, bool(paused)

    async def pause(self, name: str, ms: int) -> None:
        await self._pause([self._key(name, "pause")], [ms])

    async def admit(self, name: str, kind: Kind, policy: CircuitPolicy) -> Admission:
        verdict, ms = await self._admit([self._circuit_key(name, kind)], [policy.interval])
        return Admission(Verdict(verdict.decode()), int(ms) / 1000)

    async def record(self, name: str, kind: Kind, symptom: Symptom, probe: bool, policy: CircuitPolicy) -> None:
        limits = [policy.interval, policy.window, policy.unreachable, policy.errors]
        became = await self._record([self._circuit_key(name, kind)], [*limits, symptom.value, int(probe)])
        if became:
            tell(name, kind, CircuitState(became.decode()))

    async def circuit(self, name: str, kind: Kind) -> CircuitState:
        next_probe, probing = await self._run("HMGET", self._circuit_key(name, kind), "next_probe", "probing")
        if next_probe is None:
            return CircuitState.CLOSED
        return CircuitState.HALF_OPEN if probing else CircuitState.OPEN

    async def get(self, connection: str, key: str) -> Look:
        generation, now, value = await self._get(self._cache_keys(connection, key), [])
        return Look(value, int(generation), float(now) - time.monotonic())

    async def put(self, connection: str, key: str, value: bytes, generation: int, until: float) -> None:
        await self._put(self._cache_keys(connection, key), [generation, value, f"{until:.6f}"])

    async def drop(self, connection: str) -> None:
        await self._drop([self._key(connection, "generation")], [])

    async def publish(self, message: str) -> None:
        await self._run("PUBLISH", self.channel, message)

    async def listeners(self) -> int:
        _, count = await self._run("PUBSUB", "NUMSUB", self.channel)
        return int(count)

    def _key(self, name: str, what: str) -> str:
        """The braces keep a connection's keys together, should Redis be a cluster."""
        return f"{self._prefix}:{{{name}}}:{what}"

    def _circuit_key(self, name: str, kind: Kind) -> str:
        return self._key(name, f"circuit:{kind.value}")

    def _cache_keys(self, connection: str, key: str) -> list[str]:
        """Hashed: what callers ask for is nobody's business who lists Redis' keys."""
        hashed = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return [self._key(connection, "generation"), self._key(connection, f"read:{hashed}")]
