"""Retries of what cannot do harm twice: reads, and what provably never left. tenacity is entered after a first failure.

A budget keeps a broken provider from being asked three times as often: a retry costs what ten calls earn.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
)

T = TypeVar("T")

TRIES = 3  # the first included
EARNED, MOST = 0.1, 10.0


class RetryBudget:
    """How many retries a connection may still make."""

    def __init__(self) -> None:
        self._left = MOST

    def earn(self) -> None:
        self._left = min(MOST, self._left + EARNED)

    def spend(self) -> bool:
        """False: there is none left, the failure stands."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


async def retried(
    send: Callable[[], Awaitable[T]], again: Callable[[T], bool], budget: RetryBudget, seconds: float
) -> T:
    """The first result, or that of up to two more tries within `seconds`, while `again` says they are harmless."""
    budget.earn()
    first = await send()
    if not again(first):
        return first
    latest = first

    def worth_it(result: T) -> bool:
        nonlocal latest
        latest = result
        return again(result) and budget.spend()

    def give_up(state: RetryCallState) -> Any:
        return latest

    async def attempt() -> T:  # tenacity awaits only what is a coroutine function itself: a lambda is none
        return await send()

    if not budget.spend():
        return first
    retrying = AsyncRetrying(
        retry=retry_if_result(worth_it),
        stop=stop_after_attempt(TRIES - 1) | stop_after_delay(seconds),
        wait=wait_exponential_jitter(multiplier=0.05, max=1.0),
        retry_error_callback=give_up,
    )
    result: T = await retrying(attempt)
    return result
