"""Commands that share an exchange: each gets its own answer, whatever becomes of its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from gateway.coordination.commands import CONNECTIONS, new_client
from gateway.coordination.policy import Patience
from gateway.coordination.together import Together
from tests.coordination.conftest import command, until
from tests.servers import RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(mistreated: RedisServer) -> AsyncIterator[Redis]:
    made = new_client(mistreated.url, Patience(), CONNECTIONS)
    yield made
    await made.connection_pool.disconnect()


def written(server: RedisServer) -> int:
    """How many times Redis has read from its connections."""
    return int(command(server, "INFO", "stats")["total_reads_processed"])


async def test_each_of_a_crowd_gets_its_own_answer_though_a_third_hangs_up(client: Redis) -> None:
    together = Together(client)
    asked = [asyncio.create_task(together.execute("ECHO", str(number))) for number in range(600)]
    for turn in range(3):
        await asyncio.sleep(0)
        for task in asked[turn::9]:
            task.cancel()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    heard = {number: answer for number, answer in enumerate(answers) if isinstance(answer, bytes)}
    assert heard == {number: str(number).encode() for number in heard}
    assert len(heard) == 399


async def test_a_crowd_costs_a_few_exchanges(client: Redis, mistreated: RedisServer) -> None:
    together = Together(client)
    await together.execute("PING")
    before = written(mistreated)
    await asyncio.gather(*(together.execute("ECHO", str(number)) for number in range(200)))
    assert written(mistreated) - before <= 10


async def test_a_command_that_redis_refuses_is_told_alone(client: Redis) -> None:
    together = Together(client)
    await together.execute("SET", "test-word", "a")
    good, bad, last = await asyncio.gather(
        together.execute("GET", "test-word"),
        together.execute("HGET", "test-word", "a"),
        together.execute("ECHO", "b"),
        return_exceptions=True,
    )
    assert (good, type(bad), last) == (b"a", ResponseError, b"b")


async def test_answers_that_nobody_waited_for_are_given_to_nobody_else(client: Redis, mistreated: RedisServer) -> None:
    together = Together(client)
    await together.execute("PING")
    mistreated.pause()
    given_up = [asyncio.create_task(together.execute("ECHO", "late")) for _ in range(3)]
    await until(lambda: together._under_way is not None)
    behind = asyncio.create_task(together.execute("ECHO", "behind"))
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    await asyncio.wait([behind], timeout=5)
    assert behind.done() and isinstance(behind.exception(), TimeoutError)
    mistreated.go_on()
    assert [await together.execute("ECHO", str(number)) for number in range(20)] == [b"%d" % each for each in range(20)]
