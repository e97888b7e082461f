"""A gateway's clock that a test moves, the database's included: what is due in hours is due at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from gateway.store.interface import Store, Transaction

T = TypeVar("T")


class Clock:
    """The real time, and as much more as the story has skipped."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def reach(self, milliseconds: int) -> None:
        self.ahead += max(0.0, milliseconds / 1000 - self() + 0.001)


class _Clocked:
    """A transaction at a database whose clock is the lane's."""

    def __init__(self, tx: Transaction, clock: Clock) -> None:
        self._now = int(clock() * 1000)
        self.dialect = replace(tx.dialect, now=str(self._now))
        self.execute, self.execute_many, self.later = tx.execute, tx.execute_many, tx.later

    def now(self) -> int:
        return self._now


@dataclass
class ClockedStore:
    store: Store
    clock: Clock

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return await self.store.write(lambda tx: work(_Clocked(tx, self.clock)))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self.store.read(lambda tx: work(_Clocked(tx, self.clock)))

    async def close(self) -> None:
        await self.store.close()
