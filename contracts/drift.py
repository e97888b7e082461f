"""Two versions of a contract compared: what changed, and what each change means for those who call.

    for change in drift(Document.load(Path("old/openapi.yaml")), Document.load(Path("new/openapi.yaml"))):
        print(change.severity, change.operation, change.where, change.what, change.meaning)

The structural comparison is always shown. Whether a changed body may now hold what it could not hold before is decided
by set algebra where that gives a proof; without one it counts as yes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from contracts.algebra import covers
from contracts.document import Content, Document, Operation
from contracts.operation import Parameter, Response
from contracts.schema_drift import Comparison, Difference, Effect

Direction = Literal["answer", "request"]


class Severity(StrEnum):
    """`look`: nothing that we do breaks by itself, but a person should know."""

    BREAKING = "breaking"
    LOOK = "look"
    HARMLESS = "harmless"


@dataclass(frozen=True, slots=True)
class Change:
    """One change in words; `meaning` is for those who call through the gateway."""

    severity: Severity
    operation: str
    where: str
    what: str
    meaning: str


MEANINGS: dict[tuple[Direction, Effect], str] = {
    ("answer", Effect.WIDER): "an answer may now show something that we do not plan for",
    ("answer", Effect.NARROWER): "every answer still fits what we plan for",
    ("answer", Effect.WORD): "a word that we do not map: a status shows as unknown until the plugin knows it",
    ("answer", Effect.FIELD_NEW): "ignored until it is mapped",
    ("answer", Effect.FIELD_GONE): "what we read there may no longer be shown",
    ("answer", Effect.UNSURE): "an answer may now show something that we do not plan for",
    ("request", Effect.WIDER): "what we send is still accepted",
    ("request", Effect.NARROWER): "a request that was accepted may now be rejected",
    ("request", Effect.WORD): "what we send is still accepted",
    ("request", Effect.FIELD_NEW): "nothing: we do not send it",
    ("request", Effect.FIELD_GONE): "what we send there may be rejected, or ignored",
    ("request", Effect.UNSURE): "a request that was accepted may now be rejected",
}
BREAKS: dict[Direction, frozenset[Effect]] = {
    "answer": frozenset({Effect.WIDER, Effect.WORD, Effect.FIELD_GONE, Effect.UNSURE}),
    "request": frozenset({Effect.NARROWER, Effect.FIELD_GONE, Effect.UNSURE}),
}
PROVED: dict[Direction, str] = {
    "answer": "proved: no answer is admitted that was not",
    "request": "proved: every request is accepted that was",
}
# What the algebra may acquit: the rest is no matter of which values are admitted.
PROVABLE = {Effect.WIDER, Effect.NARROWER, Effect.UNSURE}


def drift(old: Document, new: Document) -> list[Change]:
    """All changes, the worst first."""
    order = list(Severity)
    found = Drift(old, new).changes()
    return sorted(found, key=lambda change: (order.index(change.severity), change.operation, change.where))


class Drift:
    """One comparison of two documents."""

    def __init__(self, old: Document, new: Document) -> None:
        self.old = old
        self.new = new

    def changes(self) -> Iterator[Change]:
        yield from self._servers()
        partners = {operation.id: self._partner(operation) for operation in self.old.operations.values()}
        for id, partner in partners.items():
            if partner is None:
                yield Change(Severity.BREAKING, id, "operation", "is gone", "what we offer through it no longer works")
            else:
                yield from self._operation(self.old.operations[id], partner)
        matched = {partner.id for partner in partners.values() if partner}
        for id in self.new.operations.keys() - matched:
            yield Change(Severity.HARMLESS, id, "operation", "is new", "nothing: we do not call it")

    def _servers(self) -> Iterator[Change]:
        before, after = ([server["url"] for server in each.raw.get("servers", ())] for each in (self.old, self.new))
        for url in after:
            if url not in before:
                meaning = "look whether the connections' base URLs are still right"
                yield Change(Severity.LOOK, "(all)", "servers", f"{url} is new", meaning)
        for url in before:
            if url not in after:
                meaning = "a connection with this base URL may stop working"
                yield Change(Severity.LOOK, "(all)", "servers", f"{url} is gone", meaning)

    def _partner(self, operation: Operation) -> Operation | None:
        """By its id, else by method and path: an id is no more than a name."""
        same_place = self.new.templates.get(operation.path, {}).get(operation.method)
        return self.new.operations.get(operation.id) or same_place

    def _operation(self, old: Operation, new: Operation) -> Iterator[Change]:
        if old.id != new.id:
            meaning = "nothing for callers; the plugin must name the new one"
            yield Change(Severity.LOOK, old.id, "operation", f"is now called {new.id}", meaning)
        if (old.method, old.path) != (new.method, new.path):
            what = f"{old.method} {old.path} became {new.method} {new.path}"
            yield Change(Severity.BREAKING, old.id, "operation", what, "what we offer through it no longer works")
        if (old.secured, old.scope) != (new.secured, new.scope):
            meaning = "our credentials may no longer be enough"
            what = f"{_told_scope(old)} became {_told_scope(new)}"
            yield Change(Severity.LOOK, old.id, "authorisation", what, meaning)
        yield from self._parameters(old, new)
        yield from self._bodies(old, new)
        yield from self._responses(old, new)

    def _parameters(self, old: Operation, new: Operation) -> Iterator[Change]:
        before = {(each.where, each.name): each for each in old.parameters}
        after = {(each.where, each.name): each for each in new.parameters}
        for key in sorted(before.keys() | after.keys()):
            yield from self._parameter(old.id, f"{key[0]} {key[1]}", before.get(key), after.get(key))

    def _parameter(self, id: str, where: str, before: Parameter | None, after: Parameter | None) -> Iterator[Change]:
        required = after is not None and after.required
        if after is None:
            yield _told(id, where, "request", Effect.FIELD_GONE, "the parameter is gone")
        elif before is None:
            effect = Effect.NARROWER if required else Effect.FIELD_NEW
            what = "a new parameter, required" if required else "a new parameter, optional"
            yield _told(id, where, "request", effect, what)
        else:
            if required is not before.required:
                effect = Effect.NARROWER if required else Effect.WIDER
                yield _told(id, where, "request", effect, "is required" if required else "is optional")
            yield from self._schemas(id, where, "request", before.schema, after.schema)

    def _bodies(self, old: Operation, new: Operation) -> Iterator[Change]:
        if new.body_required and not old.body_required:
            yield _told(old.id, "request body", "request", Effect.NARROWER, "is required")
        for media in old.body:
            if media not in new.body:
                yield _told(old.id, f"request {media}", "request", Effect.FIELD_GONE, "the media type is gone")
        for media, content in new.body.items():
            if media in old.body:
                yield from self._schemas(old.id, f"request {media}", "request", old.body[media].schema, content.schema)
            else:
                yield _told(old.id, f"request {media}", "request", Effect.FIELD_NEW, "a new media type")

    def _responses(self, old: Operation, new: Operation) -> Iterator[Change]:
        for status in sorted(old.responses.keys() | new.responses.keys()):
            where, before, after = f"answer {status}", old.responses.get(status), new.responses.get(status)
            if after is None:
                meaning = "the provider may now say this in another way"
                yield Change(Severity.LOOK, old.id, where, "the status is gone", meaning)
            elif before is None:
                yield _new_status(old.id, where, status)
            else:
                yield from self._response(old.id, where, before, after)

    def _response(self, id: str, where: str, before: Response, after: Response) -> Iterator[Change]:
        for media, content in after.content.items():
            known: Content | None = before.content.get(media)
            if known is not None:
                yield from self._schemas(id, f"{where} {media}", "answer", known.schema, content.schema)
            elif before.content:
                yield _told(id, f"{where} {media}", "answer", Effect.WIDER, "a new media type")
        for media in before.content:
            if media not in after.content:
                meaning = "an answer may now come in a form that we do not read"
                severity = Severity.HARMLESS if after.content else Severity.BREAKING
                yield Change(severity, id, f"{where} {media}", "the media type is gone", meaning)

    def _schemas(self, id: str, where: str, direction: Direction, old: Any, new: Any) -> Iterator[Change]:
        before, after = old or {}, new or {}
        found = list(dict.fromkeys(Comparison(self.old.resolve, self.new.resolve).differences(before, after)))
        whole = self.old.expanded(before), self.new.expanded(after)
        if whole[0] == whole[1]:
            return
        proven = covers(*whole) if direction == "answer" else covers(whole[1], whole[0])
        for each in found:
            yield _coloured(id, where, direction, each, proven)
        if not proven and not any(each.effect in BREAKS[direction] for each in found):
            yield _told(id, where, direction, Effect.UNSURE, "taken together the changes could not be proved harmless")


def _coloured(id: str, where: str, direction: Direction, difference: Difference, proven: bool) -> Change:
    place = f"{where} {difference.pointer}" if difference.pointer else where
    told = _told(id, place, direction, difference.effect, difference.words)
    if proven and difference.effect in PROVABLE and told.severity is Severity.BREAKING:
        return Change(Severity.HARMLESS, id, place, difference.words, PROVED[direction])
    return told


def _told(id: str, where: str, direction: Direction, effect: Effect, what: str) -> Change:
    severity = Severity.BREAKING if effect in BREAKS[direction] else Severity.HARMLESS
    return Change(severity, id, where, what, MEANINGS[direction, effect])


def _new_status(id: str, where: str, status: str) -> Change:
    if status.startswith("2"):
        return _told(id, where, "answer", Effect.WIDER, "a new status")
    meaning = "we take it for unclear: a write so answered is looked up, never believed or repeated"
    return Change(Severity.LOOK, id, where, "a new status", meaning)


def _told_scope(operation: Operation) -> str:
    return operation.scope or ("credentials" if operation.secured else "no credentials")
