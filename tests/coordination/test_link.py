"""The way to Redis, by itself: no Redis is needed to show how it waits."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from gateway.coordination import Patience
from gateway.coordination.link import Link, in_time
from tests.coordination.conftest import until

pytestmark = pytest.mark.anyio


async def nothing() -> None:
    return


async def local() -> str:
    return "local"


async def broken() -> str:
    raise ConnectionResetError


async def pauses(patience: Patience, failures: int) -> list[float]:
    """How long Redis is left alone when it fails again and again, answering in between."""
    link = Link(patience, nothing, nothing, at_once=1)
    await link.start()
    seen = []
    for _ in range(failures):
        assert await link.ask(broken, local) == "local"
        seen.append(link._pause)
        await until(lambda: link.why is None)
    return seen


async def test_a_redis_that_fails_again_soon_is_left_alone_for_longer() -> None:
    patience = Patience(first_pause=0.01, longest_pause=0.06)
    assert await pauses(patience, 4) == [0.02, 0.04, 0.06, 0.06]


async def test_a_redis_that_answered_for_long_is_tried_again_soon() -> None:
    assert await pauses(Patience(first_pause=0.01, calm=0), 3) == [0.01, 0.01, 0.01]


async def test_a_command_that_cannot_be_cancelled_is_left_behind() -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
    was_cancelled = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            was_cancelled.set()
            raise ConnectionResetError from None  # as a library may

    with pytest.raises(TimeoutError):
        await in_time(stubborn(), 0.01)
    await asyncio.wait_for(was_cancelled.wait(), 0.5)
    await asyncio.sleep(0)
    gc.collect()
    assert faults == []


async def test_a_caller_who_hangs_up_ends_the_command() -> None:
    was_cancelled = asyncio.Event()

    async def command() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            was_cancelled.set()

    caller = asyncio.create_task(in_time(command(), 1))
    await asyncio.sleep(0.001)
    caller.cancel()
    await asyncio.wait_for(was_cancelled.wait(), 0.5)
