"""The two things that callers do with a Coordination most often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway.coordination.interface import Coordination


async def cached(coordination: Coordination, connection: str, key: str, work: Callable[[], Awaitable[bytes]]) -> bytes:
    """A read from the cache, or read once for all who ask meanwhile. Raises what the work raises; errors stay out."""
    look = await coordination.get(connection, key)
    if look.value is not None:
        return look.value

    async def fill() -> bytes:
        value = await work()
        await coordination.put(connection, key, value, look)
        return value

    # With the generation in its key, nobody who asks after a drop is given a read that began before it.
    return await coordination.once(f"{connection} {look.generation} {key}", fill)


async def turn(coordination: Coordination, name: str, within: float) -> float:
    """Waits for the connection's turn to send. 0: go; else it would take longer than `within`: the seconds missing."""
    deadline = time.monotonic() + within
    while (wait := await coordination.take(name)) > 0:
        left = deadline - time.monotonic()
        if wait > left:
            return wait
        await asyncio.sleep(wait)
    return 0.0
