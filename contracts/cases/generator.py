"""From one contract and its mapping to cases: every documented operation, status and media type, in every family."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

import jsonschema_rs

from contracts.cases import answers, broken
from contracts.cases.asking import intents
from contracts.cases.base import Base, bases
from contracts.cases.case import Case
from contracts.cases.changes import replaced
from contracts.cases.making import Caller
from contracts.cases.schemas import NotUnderstood
from contracts.document import Document, Operation
from contracts.mapping import Mapping
from contracts.reading import at


def generate(document: Document, mapping: Mapping) -> Iterator[Case]:
    """All cases, without one that only repeats another's answer to the same call. Raises NotUnderstood."""
    try:
        yield from _different(_all(document, mapping))
    except jsonschema_rs.ValidationError as error:  # the validator knows the contract's formats, or refuses it
        raise NotUnderstood(f"the generator does not understand the contract: {error.message}") from None


def _all(document: Document, mapping: Mapping) -> Iterator[Case]:
    for operation in document.operations.values():
        yield from _Cases(document, mapping, operation).all()


def _different(cases: Iterable[Case]) -> Iterator[Case]:
    seen = set()
    for case in cases:
        answer = (case.status, case.body, case.headers, case.fault)
        key = (case.operation, case.capability, case.currency, case.minted, *answer)
        if key not in seen:
            seen.add(key)
            yield case


def documented(document: Document, mapping: Mapping) -> Iterator[Case]:
    """The documented examples alone, successes and errors."""
    for operation in document.operations.values():
        yield from _Cases(document, mapping, operation).examples()


class _Cases:
    """The cases of one operation."""

    def __init__(self, document: Document, mapping: Mapping, operation: Operation) -> None:
        self.document = document
        self.mapping = mapping
        self.operation = operation
        success = mapping.operations[operation.id]["success"]
        known = list(bases(document, operation))
        self.successes = [each for each in known if each.status in success]
        self.errors = [each for each in known if each.status not in success]
        self.tokens = "login" in {each for id in mapping.operations for each in mapping.capabilities(id)}

    def examples(self) -> Iterator[Case]:
        shown = (caller for base in self.successes if not base.full for caller in self._callers(base))
        yield from chain.from_iterable(answers.examples(caller, caller.base) for caller in shown)
        for caller in self._first_callers().values():
            yield from chain.from_iterable(answers.examples(caller, base) for base in self.errors if not base.full)

    def all(self) -> Iterator[Case]:
        for base in self.successes:
            for caller in self._callers(base):
                yield from self._success(caller)
                yield from answers.among_others(caller, base)
        for caller in self._first_callers().values():
            yield from self._once(caller)
            for base in self.errors:
                yield from self._error(caller, base)

    def _callers(self, base: Base) -> Iterator[Caller]:
        """Everyone whom a success body answers."""
        currency = self.mapping.subject.get("currency")
        for intent in intents(self.document, self.mapping, self.operation, base.body, currency):
            answer = self._alone(base) if intent.capability == "find" else base
            yield Caller(self.document, self.mapping, self.operation, intent, answer)

    def _alone(self, base: Base) -> Base:
        """A list with its first record only: what a look-up finds."""
        place = self.mapping.operations[self.operation.id]["items_at"]
        body = replaced(base.body, tuple(place.split("/")[1:]), at(base.body, place)[:1])
        return replace(base, body=body)

    def _first_callers(self) -> dict[str, Caller]:
        """One for each capability, asking for the fullest answer that there is."""
        fullest = sorted(self.successes, key=lambda base: not base.full)
        found: dict[str, Caller] = {}
        for caller in (each for base in fullest for each in self._callers(base)):
            found.setdefault(caller.intent.capability, caller)
        return found

    def _success(self, caller: Caller) -> Iterator[Case]:
        if not caller.base.full:
            yield from answers.examples(caller, caller.base)
        else:
            yield from answers.changed(caller, caller.base)

    def _once(self, caller: Caller) -> Iterator[Case]:
        """What one documented success is enough for."""
        yield from answers.respelt(caller, caller.base)
        yield from broken.wire(caller, caller.base)
        yield from broken.undocumented(caller)
        yield from broken.transport(caller)
        if caller.base.is_json:
            yield from answers.amounts_changed(caller, caller.base)
            yield from answers.new_words(caller, caller.base)
            yield from answers.linked(caller, caller.base)
        if self.tokens and caller.intent.capability != "login":
            yield from broken.minted(caller, caller.base)

    def _error(self, caller: Caller, base: Base) -> Iterator[Case]:
        if base.full:
            yield from answers.changed(caller, base)
            yield from answers.respelt(caller, base)
            return
        yield from answers.examples(caller, base)
        yield from broken.wire(caller, base)
        yield from broken.waiting(caller, base)
        yield from broken.repeating(caller, base, self.tokens and caller.intent.capability != "login")
        if self.tokens and caller.intent.capability != "login":
            yield from broken.minted(caller, base)
