"""The suite as strength needs it: it stops at the first complaint, and asks first what has complained before."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.cases import Case

from gateway.conformance.running import run
from gateway.conformance.subject import Subject


class Suite:
    """All of one provider's cases. They do not depend on the plugin, so that they serve for every mutant."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self._cases = list(cases)

    def __call__(self, subject: Subject) -> str | None:
        """What is wrong with the plugin, as the id of a case; None: nothing was noticed."""
        report = run(subject, cases=self._cases, stop_at_first=True)
        if not report.failures:
            return None
        noticed = report.failures[0].case
        self._first(noticed)
        return noticed

    def _first(self, id: str) -> None:
        """Faults come in kinds: what noticed the last one often notices the next."""
        place = next(n for n, case in enumerate(self._cases) if case.id == id)
        self._cases.insert(0, self._cases.pop(place))
