"""The bodies from which cases are made: each documented example, and the same with everything that its schema names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.cases.case import CANARY
from contracts.cases.schemas import branch_count, build, filled
from contracts.cases.spelling import encode
from contracts.document import Document, Operation


@dataclass(frozen=True, slots=True)
class Base:
    """One documented answer. `full`: with everything that the schema names, so that each part of it can be changed."""

    status: int
    media: str | None
    label: str
    body: Any
    full: bool = False

    @property
    def is_json(self) -> bool:
        return self.media is not None and "json" in self.media

    @property
    def raw(self) -> bytes:
        if self.is_json:
            return encode(self.body)
        return b"" if self.body is None else str(self.body).encode()


def bases(document: Document, operation: Operation) -> Iterator[Base]:
    """Every documented answer of an operation, with secrets that are canaries. Raises NotUnderstood."""
    for status, response in operation.responses.items():
        if not response.content:
            yield Base(int(status), None, "no body", None)
        for media, content in response.content.items():
            place = f"{operation.id} {status} {media}"
            for base in _bases(document, int(status), media, content, place):
                yield Base(base.status, media, base.label, planted(base.body, document.secret_names), base.full)


def _bases(document: Document, status: int, media: str, content: Any, place: str) -> Iterator[Base]:
    examples = dict(content.examples) or {"built": _built(document, media, content.schema, place)}
    for name, body in examples.items():
        yield Base(status, media, name if "json" in media else f"{name} as {media}", body)
    if "json" in media:
        for name, body in examples.items():
            full = _full(document, content.schema, Base(status, media, name, body), place)
            yield from (
                base for branch, base in full if not (branch and _is_shown(document, content.schema, branch, examples))
            )


def _built(document: Document, media: str, schema: Any, place: str) -> Any:
    return build(document, schema, place) if "json" in media else "%PDF-1.7 or any other file"


def _is_shown(document: Document, schema: Any, branch: int, examples: Mapping[str, Any]) -> bool:
    """Whether an example shows a branch of the whole body already."""
    resolved = document.resolve(schema)
    alternatives = resolved.get("anyOf", resolved.get("oneOf", ()))[branch:]
    return any(document.allows(alternatives[0], body) for body in examples.values()) if alternatives else False


def _full(document: Document, schema: Any, shown: Base, place: str) -> Iterator[tuple[int, Base]]:
    """One for each branch of the schema, so that none of them goes unvisited."""
    whole = filled(document, schema, shown.body, place)
    found = []
    for branch in range(max(1, branch_count(document, schema, whole, place))):
        body = filled(document, schema, shown.body, place, branch)
        if body not in found:
            found.append(body)
            label = shown.label if branch == 0 else f"{shown.label}, branch {branch}"
            yield branch, Base(shown.status, shown.media, label, body, full=True)


def planted(value: Any, names: frozenset[str]) -> Any:
    """The body with the canary in every secret field that holds a text."""
    if isinstance(value, list):
        return [planted(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    secret = {name for name, each in value.items() if name in names and isinstance(each, str)}
    return {name: CANARY if name in secret else planted(each, names) for name, each in value.items()}
