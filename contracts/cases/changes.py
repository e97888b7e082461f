"""Every single change of a body: what the schema allows beside it, and what it does not. The validator tells which."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from contracts.cases.case import CANARY
from contracts.cases.schemas import Schema, branches, property_of, types_of, understood
from contracts.cases.spelling import Number
from contracts.document import Document

Path = tuple[str | int, ...]

UNKNOWN_WORD = "test_word_of_nobody"
# Of every type, and at the edges of what readers of JSON take. A refusal must not repeat what it refuses.
WRONG: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e30,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    2**70,
    "",
    "test",
    "0",
    "NaN",
    "TEST\x00\u202e😀",
    "x" * 10_000,
    [],
    {},
    [CANARY],
    {CANARY: CANARY},
)
# For what is read by its shape alone.
WRONG_IN_SHORT: tuple[Any, ...] = (None, True, 0, 1.5, "", "TEST\x00\u202e😀", "x" * 10_000, [], {}, {CANARY: CANARY})
TIMES = (
    "2026-11-01T06:00:00+02:00",
    "2026-11-01T06:00:00.123456Z",
    "2026-11-01 06:00:00Z",
    "2026-11-01T06:00:00",
    "2026-11-01",
    "2026-02-30T06:00:00Z",
)
DROPPED = object()


class Change(NamedTuple):
    """A changed body and what was done to it."""

    label: str
    body: Any


def changes(document: Document, schema: Any, base: Any, wrong: tuple[Any, ...] = WRONG) -> Iterator[Change]:
    """All single changes of a base; `wrong` may stand anywhere in it. Raises NotUnderstood."""
    for path, label, changed in _Changes(document, wrong).at(schema, base, (), "the body"):
        yield Change(f"{'/'.join(map(str, path)) or 'the body'} {label}", replaced(base, path, changed))


class _Changes:
    def __init__(self, document: Document, wrong: tuple[Any, ...]) -> None:
        self.document = document
        self.wrong = wrong

    def at(self, node: Any, value: Any, path: Path, place: str) -> Iterator[tuple[Path, str, Any]]:
        """What may stand at one place and below it."""
        schema = understood(self.document, node, place)
        for label, changed in self._values(schema, value, place):
            yield path, label, changed
        if isinstance(value, dict):
            for name, child in value.items():
                inner = property_of(self.document, schema, name, value, place)
                yield (*path, name), "is left out", DROPPED
                yield from self.at(inner, child, (*path, name), f"{place}/{name}")
        if isinstance(value, list) and value:
            yield from self.at(schema.get("items", {}), value[0], (*path, 0), f"{place}/items")
            if isinstance(value[-1], dict) and len(value) > 1:
                yield from (((*path, len(value) - 1, name), "is left out", DROPPED) for name in value[-1])

    def _values(self, schema: Schema, value: Any, place: str) -> Iterator[tuple[str, Any]]:
        yield from ((f"is {_brief(wrong)}", wrong) for wrong in self.wrong)
        for each in branches(self.document, schema, place):
            yield from _edges(each)
            words = (*each.get("enum", ()), *each.get("x-known-values", ()))
            yield from ((f"is the word {word}", word) for word in words)
        yield from _other_spellings(schema, value)


def _edges(schema: Schema) -> Iterator[tuple[str, Any]]:
    """Both sides of every bound, and what a pattern or a constant does not allow."""
    for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if keyword in schema:
            yield from ((f"is {keyword} {step:+d}", schema[keyword] + step) for step in (-1, 0, 1))
    for keyword in ("minLength", "maxLength"):
        if keyword in schema:
            lengths = (max(0, schema[keyword] + step) for step in (-1, 0, 1))
            yield from ((f"is of length {length}", "x" * length) for length in lengths)
    if "format" in schema or "pattern" in schema:
        yield "is not of its form", "!"
    if schema.get("format") == "date-time":
        yield from ((f"is {text}", text) for text in TIMES)
    if "const" in schema:
        yield "is not its constant", not schema["const"] if isinstance(schema["const"], bool) else UNKNOWN_WORD


def _other_spellings(schema: Schema, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, str):
        yield "is an unknown word", UNKNOWN_WORD
        yield "is in other letters", value.swapcase()
        yield "has a space before it", f" {value}"
        yield "has a line end after it", f"{value}\n"
        yield "is longer by one", f"{value}1"
        yield "begins with a one more", f"1{value}"
    if isinstance(value, bool):
        yield "is the other flag", not value
    elif isinstance(value, int | float):
        yield "is one more", value + 1
        yield "is spelt with a point", Number(f"{value:.1f}")
        yield "is spelt with an exponent", Number(f"{value:.0f}e0")
        yield "has 5,000 digits", Number("9" * 5000)
    if isinstance(value, dict):
        yield "has a field more", {**value, "test_field_of_nobody": CANARY}
    if isinstance(value, list) and value:
        yield "holds its first item twice", [value[0], value[0]]
        yield "holds its first item alone", value[:1]
        yield "holds 30 items", value[:1] * 30
        yield "ends with null", [*value, None]
    if "null" in types_of(schema) and value is not None:
        yield "is null", None


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 30 else f"{text[:12]}… ({len(text)} characters)"


def replaced(whole: Any, path: Path, changed: Any) -> Any:
    """The body with another value, or with nothing, at one place; the rest is shared."""
    if not path:
        return changed
    head, *rest = path
    copy = whole.copy()
    if not rest and changed is DROPPED:
        del copy[head]
    else:
        copy[head] = replaced(whole[head], tuple(rest), changed)
    return copy
