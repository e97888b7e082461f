"""The suite as strength needs it: it stops at the first complaint, and asks first what has complained before."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.cases import Case
from gateway.conformance.requests import run_requests
from gateway.conformance.running import run
from gateway.conformance.subject import Subject

ASKS = 2_000  # of each provider; what they find, they find among the boundary values and the first mixtures


class Suite:
    """All of one provider's cases, then asks. Neither depends on the plugin, so that they serve for every mutant."""

    def __init__(self, cases: Iterable[Case]) -> None:
        self._cases = list(cases)

    def __call__(self, subject: Subject) -> str | None:
        """What is wrong with the plugin, as the id of a case or an ask; None: nothing was noticed."""
        answers = run(subject, cases=self._cases, stop_at_first=True)
        if answers.failures:
            self._first(answers.failures[0].case)
            return answers.failures[0].case
        requests = run_requests(subject, ASKS, stop_at_first=True)
        return requests.failures[0].case if requests.failures else None

    def _first(self, id: str) -> None:
        """Faults come in kinds: what noticed the last one often notices the next."""
        place = next(n for n, case in enumerate(self._cases) if case.id == id)
        self._cases.insert(0, self._cases.pop(place))
