"""Both implementations behind one fixture, and several gateways over one real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from gateway.coordination import (
    CachePolicy,
    CircuitPolicy,
    Coordination,
    LocalCoordination,
    Patience,
    Policy,
    Rate,
)
from gateway.coordination.shared import RedisCoordination
from tests.servers import RedisServer, redis_server, shared_redis

# Short times, so that real clocks need no long waits; Redis' own clock cannot be set by a test.
POLICY = Policy(
    rates={"bank": Rate(per_minute=300, burst=3)},
    circuit=CircuitPolicy(unreachable=2, errors=3, window=0.4, interval=0.2),
    cache=CachePolicy(ttl=0.3, value_limit=1000),
)
# Where Redis is well, a test must not fail because the machine is busy; where it is not, each call costs this time.
PATIENT = Patience(timeout=2.0, heartbeat=0.1)
IMPATIENT = Patience(timeout=0.15, first_pause=0.02, longest_pause=0.1, heartbeat=0.1)


def command(server: RedisServer, *words: str) -> Any:
    """What an operator would type into redis-cli."""
    with redis.Redis.from_url(server.url, protocol=2) as client:
        return client.execute_command(*words)


@pytest.fixture
def mistreated() -> Iterator[RedisServer]:
    """A server of the test's own, to stop and kill."""
    with redis_server() as server:
        yield server


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Subject:
    """One implementation under test, and how time passes for it."""

    coordination: Coordination
    elapse: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["local", "redis"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "local":
        clock = Clock()

        async def elapse(seconds: float) -> None:
            clock.now += seconds

        yield Subject(LocalCoordination(POLICY, clock=clock), elapse)
        return
    server = shared_redis()
    server.flush()
    async with Gateways(server.url) as gateways:
        yield Subject(await gateways.join(), asyncio.sleep)


@pytest.fixture
def coordination(subject: Subject) -> Coordination:
    return subject.coordination


@dataclass
class Gateways:
    """Coordinations over one Redis, as so many gateway processes would have them; closed together."""

    url: str
    policy: Policy = POLICY
    patience: Patience = PATIENT
    joined: list[RedisCoordination] = field(default_factory=list)

    async def join(self, patience: Patience | None = None) -> RedisCoordination:
        made = RedisCoordination(self.url, self.policy, patience or self.patience)
        await made.start()
        self.joined.append(made)
        return made

    async def two(self) -> tuple[RedisCoordination, RedisCoordination]:
        """Two that hear each other."""
        one, other = await self.join(), await self.join()
        await until(lambda: one.gateways == other.gateways == 2)
        return one, other

    async def __aenter__(self) -> Gateways:
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self.joined:
            await each.close()


@pytest.fixture
async def gateways(mistreated: RedisServer) -> AsyncIterator[Gateways]:
    async with Gateways(mistreated.url) as made:
        yield made


@pytest.fixture
async def impatient(mistreated: RedisServer) -> AsyncIterator[Gateways]:
    async with Gateways(mistreated.url, patience=IMPATIENT) as made:
        yield made


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)
