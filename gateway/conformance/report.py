"""What a run of the suite found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from contracts.cases import Family
from contracts.coverage import Coverage


@dataclass(frozen=True, slots=True)
class Failure:
    """One case that went wrong. `case` is its id: `contracts test PROVIDER --only ID` runs it again."""

    case: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.case}\n  expected: {self.expected}\n  got:      {self.got}"


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures in which the same came: one fault of a plugin mostly shows in many cases."""

    first: Failure
    count: int

    def __str__(self) -> str:
        first = self.first
        return f"{self.count:,} x {first.got}; the first: {first.case}\n  expected: {first.expected}"


def causes(failures: Iterable[Failure]) -> list[Cause]:
    """Failures by what came, the most frequent first."""
    found: dict[str, list[Failure]] = {}
    for failure in failures:
        found.setdefault(failure.got, []).append(failure)
    return sorted((Cause(each[0], len(each)) for each in found.values()), key=lambda cause: -cause.count)


@dataclass
class Report:
    """Counts by family, failures, and what of the contract was reached."""

    provider: str
    coverage: Coverage
    cases: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)  # between the contract and its mapping
    seconds: float = 0.0
    not_run: int = 0  # scenarios of a provider that cannot be simulated

    @property
    def left_out(self) -> str:
        """Which scenarios were not run, and why; empty where all were."""
        if self.not_run:
            return f"{self.not_run} scenarios not run: no simulator for {self.provider}"
        return "" if self.cases[Family.SCENARIOS] else f"no scenarios run: {self.provider} has no scenarios.yaml"

    @property
    def total(self) -> int:
        return sum(self.cases.values())

    @property
    def passed(self) -> bool:
        return self.total > 0 and not (self.failures or self.coverage.missing or self.disagreements)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "provider": self.provider,
            "passed": self.passed,
            "cases": dict(self.cases),
            "scenarios_not_run": self.not_run,
            "seconds": round(self.seconds, 2),
            "pairs": [len(self.coverage.seen_pairs), len(self.coverage.pairs)],
            "keyword_locations": list(self.coverage.locations),
            "missing": self.coverage.missing,
            "disagreements": self.disagreements,
            "failures": [{"case": each.case, "expected": each.expected, "got": each.got} for each in self.failures],
        }
