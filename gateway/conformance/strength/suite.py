"""The suite as strength needs it: it stops at the first complaint, and begins with what has complained before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from contracts.cases import Case, Family
from gateway.conformance.requests import run_requests
from gateway.conformance.running import run
from gateway.conformance.subject import Subject

Capabilities = frozenset[str] | None  # None: all

ASKS = 2_000  # of each provider; what they find, they find among the boundary values and the first mixtures
REMEMBERED = 200
IN_SHORT = 10  # of the many cases, one in so many
SMALL = frozenset({Family.EXAMPLES, Family.ERRORS, Family.UNDOCUMENTED, Family.TRANSPORT})


class Suite:
    """All of one provider's cases and its asks. Neither depends on the plugin, so that they serve for every mutant."""

    def __init__(self, cases: Iterable[Case]) -> None:
        made = list(cases)
        self._small = [case for case in made if case.family in SMALL]
        self._large = [case for case in made if case.family not in SMALL]
        self._before: deque[Case] = deque(maxlen=REMEMBERED)  # those that noticed something, the last one first

    def __call__(self, subject: Subject, capabilities: Capabilities = None, in_short: bool = False) -> str | None:
        """What is wrong with the plugin, as the id of a case or an ask; None: nothing was noticed.

        Only the cases of `capabilities` are run, where they are known to be the only ones that matter.
        """
        return (
            self._noticed(subject, [*self._before, *self._small], capabilities)
            or _asked(subject)
            or self._noticed(subject, self._large[:: IN_SHORT if in_short else 1], capabilities)
        )

    def _noticed(self, subject: Subject, cases: list[Case], capabilities: Capabilities) -> str | None:
        chosen = [case for case in cases if capabilities is None or case.capability in capabilities]
        failures = run(subject, cases=chosen, stop_at_first=True).failures
        if not failures:
            return None
        noticing = next(case for case in chosen if case.id == failures[0].case)
        if noticing in self._before:
            self._before.remove(noticing)
        self._before.appendleft(noticing)
        return noticing.id


def _asked(subject: Subject) -> str | None:
    failures = run_requests(subject, ASKS, stop_at_first=True).failures
    return failures[0].case if failures else None
