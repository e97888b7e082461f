"""What a run of scenarios found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from contracts.departures import Departure
from gateway.upstream import Outcome


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of one scenario. `detail` says why it failed or was left out; no values but the expected ones."""

    scenario: str
    verdict: Verdict
    detail: str | None = None


@dataclass(slots=True)
class Findings:
    """What a run found. `departures` break the contract, `surplus` is beyond it; each with its operation."""

    ran: list[Ran] = field(default_factory=list)
    departures: dict[tuple[str, Departure], None] = field(default_factory=dict)
    surplus: dict[tuple[str, Departure], None] = field(default_factory=dict)
    outcomes: list[Outcome[Any]] = field(default_factory=list)  # with the right credentials

    def of(self, verdict: Verdict) -> list[Ran]:
        return [each for each in self.ran if each.verdict is verdict]

    @property
    def departed(self) -> list[str]:
        """What breaks the contract, a line each."""
        return [f"{name}: {each.keyword} at {each.pointer or 'the reply'}" for name, each in self.departures]

    @property
    def answered(self) -> bool:
        """Whether anything at all came back."""
        return any(each.evidence.status is not None for each in self.outcomes)
