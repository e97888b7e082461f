"""The gateway with a journal that keeps nothing, to see what the journal costs. It promises nothing: only measure it.

python -m tests.bench.without_journal run --config FILE
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gateway import cli
from gateway.engine import reloading
from gateway.store.interface import Dialect, Row, Transaction

T = TypeVar("T")


class Nothing:
    """A transaction over empty tables, in which every write succeeds."""

    dialect = Dialect(name="nothing", now="the clock", skip_locked="", autonumber="", has_table="")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        if "RETURNING" in sql:
            return [(1, "")]
        if " FROM " not in sql:
            return [(self.now(),)]
        return [(0,)] if "SUM(" in sql else []

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Keeps nothing."""

    def now(self) -> int:
        return int(time.time() * 1000)

    def later(self, write: object, item: object) -> None:
        """Keeps nothing."""


class Forgetful:
    """A Store without threads, waits or rows."""

    def __init__(self, url: str) -> None:
        self.transaction = Nothing()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        return work(self.transaction)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return work(self.transaction)

    async def close(self) -> None:
        """Nothing is open."""


if __name__ == "__main__":
    reloading.open_store = Forgetful  # type: ignore[assignment]
    cli.main()
