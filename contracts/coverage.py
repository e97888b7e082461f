"""What of a contract its cases have reached."""

from __future__ import annotations

from dataclasses import dataclass, field

from contracts.cases.case import Case
from contracts.document import Document

Pair = tuple[str, str, str]


@dataclass
class Coverage:
    """Documented pairs (operation, status, media), and those of them that a case was run for."""

    pairs: frozenset[Pair]
    seen_pairs: set[Pair] = field(default_factory=set)

    @classmethod
    def of(cls, document: Document) -> Coverage:
        return cls(frozenset(_pairs(document)))

    def see(self, case: Case) -> None:
        pair = (case.operation, str(case.status), case.media or "")
        if pair in self.pairs:
            self.seen_pairs.add(pair)

    @property
    def missing(self) -> list[str]:
        """What no case has reached, each by name."""
        return [" ".join(pair) for pair in sorted(self.pairs - self.seen_pairs)]


def _pairs(document: Document) -> list[Pair]:
    return [
        (operation.id, status, media)
        for operation in document.operations.values()
        for status, response in operation.responses.items()
        for media in (list(response.content) or [""])
    ]
