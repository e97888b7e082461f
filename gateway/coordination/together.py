"""Commands of one turn of the event loop go to Redis in one write, and their answers come in one read.

Sent one by one, the five commands of a payout took 46 % of the event loop's thread, by a sampling profile: a system
call each, and the interpreter's lock taken again after it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis

Waiting = list[tuple[tuple[Any, ...], asyncio.Future[Any]]]


class Together:
    """One exchange at a time: what comes meanwhile gathers for the next."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._waiting: Waiting = []
        self._under_way: asyncio.Task[None] | None = None

    async def execute(self, *command: Any) -> Any:
        """One command's answer. Raises what Redis answered, or what became of the exchange."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._exchange_all())
        return await answer

    async def _exchange_all(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                _cancel_when_all_gave_up(waiting)
                await self._exchange(waiting)
        except asyncio.CancelledError:
            _fail(self._waiting, TimeoutError())  # they would wait behind it for as long again
            raise
        finally:
            self._under_way, self._waiting = None, []

    async def _exchange(self, waiting: Waiting) -> None:
        """A cancelled exchange gives its connection up: answers that come late are nobody's."""
        pipeline = self._client.pipeline(transaction=False)
        for command, _ in waiting:
            pipeline.execute_command(*command)
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except asyncio.CancelledError:
            _fail(waiting, TimeoutError())
            raise
        except Exception as error:
            _fail(waiting, error)
            return
        for (_, answer), found in zip(waiting, answers, strict=True):
            if not answer.done():
                answer.set_exception(found) if isinstance(found, Exception) else answer.set_result(found)


def _cancel_when_all_gave_up(waiting: Waiting) -> None:
    """What nobody waits for any more is not waited for."""
    task, left = asyncio.current_task(), len(waiting)

    def gave_up(answer: asyncio.Future[Any]) -> None:
        nonlocal left
        left -= answer.cancelled()
        if not left and task is not None:
            task.cancel()

    for _, answer in waiting:
        answer.add_done_callback(gave_up)


def _fail(waiting: Waiting, error: Exception) -> None:
    for _, answer in waiting:
        if not answer.done():
            answer.set_exception(error)
