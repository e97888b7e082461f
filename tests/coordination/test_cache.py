"""Cached reads and single-flight: the same claims on both implementations."""

from __future__ import annotations

import asyncio

import pytest

from gateway.coordination import CachePolicy, Coordination, LocalCoordination, Policy, cached
from tests.coordination.conftest import POLICY, Subject

pytestmark = pytest.mark.anyio


class Provider:
    """Counts its reads; answers when it is let."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.reads = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def read(self) -> bytes:
        self.reads += 1
        answer = self.answers.pop(0)
        await self.may_answer.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def store(coordination: Coordination, value: bytes, connection: str = "bank", key: str = "key") -> None:
    await coordination.put(connection, key, value, await coordination.get(connection, key))


async def found(coordination: Coordination, connection: str = "bank", key: str = "key") -> bytes | None:
    return (await coordination.get(connection, key)).value


async def test_what_was_put_is_found_for_a_short_time(subject: Subject) -> None:
    value = bytes(range(256))
    await store(subject.coordination, value)
    assert await found(subject.coordination) == value
    assert await found(subject.coordination, key="other") is None
    assert await found(subject.coordination, connection="promo") is None
    await subject.elapse(POLICY.cache.ttl + 0.005)
    assert await found(subject.coordination) is None


async def test_a_drop_forgets_one_connection_whole(coordination: Coordination) -> None:
    await store(coordination, b"1", key="a")
    await store(coordination, b"2", key="b")
    await store(coordination, b"3", connection="promo")
    await coordination.drop("bank")
    assert await found(coordination, key="a") is None
    assert await found(coordination, key="b") is None
    assert await found(coordination, connection="promo") == b"3"


async def test_a_read_that_began_before_a_drop_is_never_stored(coordination: Coordination) -> None:
    look = await coordination.get("bank", "key")
    await coordination.drop("bank")
    await coordination.put("bank", "key", b"outdated", look)
    assert await found(coordination) is None
    await store(coordination, b"fresh")
    await coordination.put("bank", "key", b"outdated", look)
    assert await found(coordination) == b"fresh"


async def test_too_large_a_value_is_not_stored(coordination: Coordination) -> None:
    await store(coordination, b"x" * (POLICY.cache.value_limit + 1))
    assert await found(coordination) is None
    await store(coordination, b"x" * POLICY.cache.value_limit)
    assert await found(coordination) == b"x" * POLICY.cache.value_limit


async def test_the_local_cache_is_bounded_as_a_whole() -> None:
    local = LocalCoordination(Policy(cache=CachePolicy(total_limit=100)))
    for number in range(10):
        await store(local, b"x" * 30, key=str(number))
    kept = [number for number in range(10) if await found(local, key=str(number))]
    assert kept == [7, 8, 9]


async def test_what_is_out_of_date_takes_no_room() -> None:
    now = 0.0
    local = LocalCoordination(Policy(cache=CachePolicy(ttl=1.0)), clock=lambda: now)
    for number in range(1000):
        now = number / 100
        await store(local, b"x", key=f"reference {number}")
    assert len(local._cache._entries) == 100


async def test_storing_again_costs_no_more_room() -> None:
    local = LocalCoordination(Policy(cache=CachePolicy(total_limit=100)))
    await store(local, b"other", key="other")
    for _ in range(10):
        await store(local, b"x" * 30)
    assert await found(local, key="other") == b"other"


async def test_many_who_ask_at_once_cost_one_read(coordination: Coordination) -> None:
    provider = Provider(b"answer")
    answers = await asyncio.gather(*(cached(coordination, "bank", "key", provider.read) for _ in range(30)))
    assert answers == [b"answer"] * 30
    assert provider.reads == 1


async def test_whoever_asks_later_is_served_from_the_cache(subject: Subject) -> None:
    provider = Provider(b"one", b"two")
    for _ in range(3):
        assert await cached(subject.coordination, "bank", "key", provider.read) == b"one"
    await subject.elapse(POLICY.cache.ttl + 0.005)
    assert await cached(subject.coordination, "bank", "key", provider.read) == b"two"


async def test_errors_reach_all_who_wait_and_are_never_cached(coordination: Coordination) -> None:
    provider = Provider(LookupError("no such payout"), b"found")
    provider.may_answer.clear()
    waiting = [asyncio.create_task(cached(coordination, "bank", "key", provider.read)) for _ in range(3)]
    await asyncio.sleep(0.02)
    provider.may_answer.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    assert provider.reads == 1
    assert await cached(coordination, "bank", "key", provider.read) == b"found"


async def test_nobody_who_asks_after_a_drop_is_given_a_read_that_began_before(coordination: Coordination) -> None:
    provider = Provider(b"before", b"after")
    provider.may_answer.clear()
    early = asyncio.create_task(cached(coordination, "bank", "key", provider.read))
    while provider.reads == 0:
        await asyncio.sleep(0.001)
    await coordination.drop("bank")
    late = asyncio.create_task(cached(coordination, "bank", "key", provider.read))
    while provider.reads == 1:
        await asyncio.sleep(0.001)
    provider.may_answer.set()
    assert (await early, await late) == (b"before", b"after")
    assert await found(coordination) == b"after"


async def test_one_who_hangs_up_does_not_end_the_work_of_the_others(coordination: Coordination) -> None:
    provider = Provider(b"answer")
    provider.may_answer.clear()
    first = asyncio.create_task(coordination.once("key", provider.read))
    second = asyncio.create_task(coordination.once("key", provider.read))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    provider.may_answer.set()
    assert await second == b"answer"
    assert provider.reads == 1
