"""Wake-ups: the same claims on both implementations."""

from __future__ import annotations

import asyncio

import pytest

from gateway.coordination import Coordination
from gateway.coordination.topics import WAITING_MOST

pytestmark = pytest.mark.anyio


async def test_subscribers_of_the_topic_hear_it_once_each(coordination: Coordination) -> None:
    with (
        coordination.subscribe("due") as one,
        coordination.subscribe("due") as two,
        coordination.subscribe("settled") as other,
    ):
        await coordination.wake("due", "op_1")
        assert [await each.next(within=1) for each in (one, two)] == ["op_1", "op_1"]
        await asyncio.sleep(0.02)  # an echo of our own would have come by now
        assert [await each.next(within=0) for each in (one, two, other)] == [None, None, None]


async def test_wake_ups_are_an_async_iterator_that_ends_with_the_coordination(coordination: Coordination) -> None:
    heard = []
    with coordination.subscribe("due") as wakeups:
        for number in range(3):
            await coordination.wake("due", str(number))
        await coordination.close()
        heard = [payload async for payload in wakeups]
    assert heard == ["0", "1", "2"]


async def test_waiting_ends_in_time(coordination: Coordination) -> None:
    with coordination.subscribe("due") as wakeups:
        assert await wakeups.next(within=0.01) is None


async def test_a_slow_subscriber_loses_the_oldest_and_holds_up_nobody(coordination: Coordination) -> None:
    with coordination.subscribe("due") as wakeups:
        for number in range(WAITING_MOST + 5):
            await coordination.wake("due", str(number))
        assert await wakeups.next(within=1) == "5"


async def test_who_left_hears_nothing(coordination: Coordination) -> None:
    with coordination.subscribe("due") as wakeups:
        pass
    await coordination.wake("due", "op_1")
    assert await wakeups.next(within=1) is None
