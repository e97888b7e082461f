"""The way to Redis: one short try, and after a failure nobody asks until Redis has shown that it keeps up again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from redis import exceptions

from gateway.coordination.policy import Patience

T = TypeVar("T")
SLICES = 5
log = logging.getLogger("gateway.coordination")


class Link:
    """Asks Redis while it is up, and the stand-in while it is not. `why`: what is wrong; None: Redis is in use.

    `connect` opens what commands will use, with time to spare; `prove` must then succeed as fast as a command.
    Both run in the background, so that no caller ever waits to find out whether Redis is back.
    """

    def __init__(
        self,
        patience: Patience,
        connect: Callable[[], Awaitable[None]],
        prove: Callable[[], Awaitable[None]],
        at_once: int,
    ) -> None:
        self.why: str | None = "not connected yet"
        self._patience = patience
        self._connect = connect
        self._prove = prove
        self._slots = asyncio.Semaphore(at_once)
        self._pause = patience.first_pause
        self._up_since = time.monotonic()
        self._returning: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Tries once; Redis being away keeps nobody from starting."""
        if not await self._try():
            self._return_later()

    async def ask(self, shared: Callable[[], Awaitable[T]], local: Callable[[], Awaitable[T]]) -> T:
        """Redis' answer if it comes in time, else the stand-in's. Raises nothing because of Redis."""
        if self.why is None and await self._slot():
            try:
                if self.why is None:  # still, after the queue
                    return await in_time(shared(), self._patience.timeout)
            except Exception as error:  # whatever it was, it is Redis' trouble and not the caller's
                self._failed(error)
            finally:
                self._slots.release()
        return await local()

    async def close(self) -> None:
        self._closed = True
        self.why = "closed"
        await ended(self._returning)

    async def _slot(self) -> bool:
        """False after a while in the queue: our own crowd says nothing about Redis."""
        try:
            async with asyncio.timeout(self._patience.timeout):
                return await self._slots.acquire()
        except TimeoutError:
            return False

    def _failed(self, error: BaseException) -> None:
        if self.why is not None:  # others failed with us, and one has said so
            return
        calm = time.monotonic() - self._up_since >= self._patience.calm
        self._pause = self._patience.first_pause if calm else self._longer()
        self.why = reason(error)
        log.warning("Redis is left alone: %s. Limits, circuits and caches are this process' own meanwhile", self.why)
        self._return_later()

    def _longer(self) -> float:
        return min(self._pause * 2, self._patience.longest_pause)

    def _return_later(self) -> None:
        self._returning = asyncio.create_task(self._return())

    async def _return(self) -> None:
        await asyncio.sleep(self._pause)
        while not self._closed and not await self._try():
            self._pause = self._longer()
            await asyncio.sleep(self._pause)
        log.info("Redis answers again")

    async def _try(self) -> bool:
        try:
            async with asyncio.timeout(self._patience.connect):
                await self._connect()
            await in_time(self._prove(), self._patience.timeout)
        except Exception as error:
            self._is(reason(error))
            return False
        self._is(None)
        self._up_since = time.monotonic()
        return True

    def _is(self, why: str | None) -> None:
        self.why = "closed" if self._closed else why


async def in_time(command: Awaitable[T], seconds: float) -> T:
    """The command's result. Raises TimeoutError after that time, whatever the library does when it is cancelled.

    The time is counted in slices: while our own loop stands still, a slice is all that Redis is charged.
    """
    task = asyncio.ensure_future(command)
    task.add_done_callback(_seen)
    try:
        for _ in range(SLICES):
            await asyncio.wait([task], timeout=seconds / SLICES)
            if task.done():
                return task.result()
        raise TimeoutError
    finally:
        task.cancel()


def _seen(task: asyncio.Future[T]) -> None:
    """Nobody may be left to look at its error."""
    if not task.cancelled():
        task.exception()


async def ended(task: asyncio.Task[None] | None) -> None:
    """Cancels until it is so: a library may swallow a cancellation that comes together with a result."""
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.1)


def reason(error: BaseException) -> str:
    """What people are told: never the exception's own text, which may quote an address or a command."""
    chain = list(_chain(error))
    if any(isinstance(each, (exceptions.AuthenticationError, exceptions.NoPermissionError)) for each in chain):
        return "Redis refuses our credentials"
    if any(isinstance(each, (TimeoutError, exceptions.TimeoutError)) for each in chain):
        return "Redis does not answer in time"
    if any(isinstance(each, (exceptions.ConnectionError, OSError)) for each in chain):
        return "Redis cannot be reached"
    return f"Redis fails ({type(chain[-1]).__name__})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was made of; redis-py wraps a refused login into a ConnectionError."""
    while error is not None:
        yield error
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
