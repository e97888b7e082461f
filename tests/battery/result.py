"""What a battery of real processes reports, and how it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from tests.battery.checker import Violation

Progress = Callable[[int], object]  # is told how many runs are done, of all


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`happened`: what the runs met, by name, so that a battery that met nothing shows."""

    name: str
    runs: int
    happened: dict[str, int]
    seconds: float
    violations: list[str]


class Battery(Protocol):
    """`count` runs of the same kind; the seed decides what is random in them."""

    def __call__(self, count: int, seed: int, progress: Progress) -> Result: ...


def silent(done: int) -> None:
    """For tests, which show no progress."""


def result_of(
    name: str, runs: int, happened: Counter[str], seconds: float, violations: Iterable[Violation | str]
) -> Result:
    return Result(
        name=name,
        runs=runs,
        happened=dict(sorted(happened.items())),
        seconds=seconds,
        violations=[str(each) for each in violations],
    )
