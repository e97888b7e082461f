"""Cached reads and single-flight inside one process."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway.coordination.interface import Look
from gateway.coordination.policy import CachePolicy

T = TypeVar("T")


class Cache:
    """Least recently stored goes first. A drop makes whatever was stored or looked up before it worthless.

    It costs the same however much is stored: what is worthless goes when its turn comes.
    """

    def __init__(self, policy: CachePolicy, clock: Callable[[], float]) -> None:
        self.policy = policy
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], tuple[int, float, bytes]] = OrderedDict()
        self._generations: dict[str, int] = {}
        self._size = 0

    def get(self, connection: str, key: str) -> Look:
        generation = self._generations.get(connection, 0)
        stored_in, until, value = self._entries.get((connection, key), (generation, 0.0, None))
        fresh = stored_in == generation and self._clock() < until
        return Look(value if fresh else None, generation)

    def put(self, connection: str, key: str, value: bytes, look: Look) -> None:
        outdated = look.generation != self._generations.get(connection, 0)
        if outdated or len(value) > self.policy.value_limit:
            return
        self._forget((connection, key))
        self._entries[connection, key] = (look.generation, self._clock() + self.policy.ttl, value)
        self._size += len(value)
        while self._entries and self._first_must_go():
            self._forget(next(iter(self._entries)))

    def drop(self, connection: str) -> None:
        self._generations[connection] = self._generations.get(connection, 0) + 1

    def _first_must_go(self) -> bool:
        """What nobody can be given any more takes no room: callers choose the keys, and there may be any number."""
        _, until, _ = next(iter(self._entries.values()))
        return until <= self._clock() or self._size > self.policy.total_limit

    def _forget(self, entry: tuple[str, str]) -> None:
        _, _, value = self._entries.pop(entry, (0, 0.0, b""))
        self._size -= len(value)


class Flights:
    """Work under way, by key. Whoever asks for the same meanwhile waits for the same result or the same error."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[Any]] = {}

    async def once(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(_run(work))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        # A caller who hangs up must not end the work of the others.
        result: T = await asyncio.shield(task)
        return result

    async def close(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, key: str, task: asyncio.Task[Any]) -> None:
        if self._under_way.get(key) is task:
            del self._under_way[key]
        if not task.cancelled():
            task.exception()  # seen, should every caller have hung up


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
