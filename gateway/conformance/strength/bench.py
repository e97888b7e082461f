"""One provider on the bench: its mutants in a fixed order, and the suite that must notice each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from contracts.cases import Case, generate
from gateway.conformance.strength.domain import domain_mutants
from gateway.conformance.strength.mistake import Facts
from gateway.conformance.strength.mutant import Family, Inapplicable, Mutant
from gateway.conformance.strength.suite import Capabilities, Suite
from gateway.conformance.strength.tables import table_mutants
from gateway.conformance.subject import Subject
from providers.sdk import Call


class Origin(NamedTuple):
    """Where a provider comes from: an installed name, or `module:Class` with the folder of its contract."""

    spec: str
    contract: Path | None = None

    @property
    def folder(self) -> Path:
        return self.contract or self.subject().folder

    def subject(self) -> Subject:
        """Raises SubjectInvalid."""
        if ":" in self.spec and self.contract is not None:
            return Subject.named(self.spec, contract=self.contract)
        return Subject.installed(self.spec, contract=self.contract)


@dataclass(frozen=True)
class Bench:
    """What is judged, by `suite`: it names what it noticed of a subject, or nothing.

    `explained` are the mutants that are known to survive: they are tried in short, and count as survivors.
    """

    subject: Subject
    mutants: Sequence[Mutant]
    inapplicable: Sequence[Inapplicable]
    suite: Callable[[Subject, Capabilities, bool], str | None]
    explained: Collection[str] = ()

    @classmethod
    def of(cls, subject: Subject, families: Iterable[Family] = Family, explained: Collection[str] = ()) -> Bench:
        """All mutants of some families; those of the source need mutmut. Raises ImportError."""
        cases = list(generate(subject.document, subject.mapping))
        chosen = [each for family in families for each in _made(family, subject, cases)]
        mutants = [each for each in chosen if isinstance(each, Mutant)]
        return cls(
            subject, mutants, [each for each in chosen if isinstance(each, Inapplicable)], Suite(cases), explained
        )


def _made(family: Family, subject: Subject, cases: Iterable[Case]) -> Iterable[Mutant | Inapplicable]:
    if family is Family.SOURCE:
        from gateway.conformance.strength.source import source_mutants

        return source_mutants(subject.plugin)
    calls = _calls(subject, cases)
    if family is Family.TABLE:
        return table_mutants(subject.plugin, calls)
    return domain_mutants(Facts(subject.mapping, calls))


def _calls(subject: Subject, cases: Iterable[Case]) -> dict[str, Call[Any]]:
    """One call of each capability that the cases ask, and the login."""
    made = subject.made()
    calls: dict[str, Call[Any]] = {}
    for case in cases:
        if case.capability not in (*calls, "login"):
            calls[case.capability] = case.intent.call(made)
    login = made.login(subject.minted) if subject.minted else None
    return {**calls, "login": login} if login else calls
