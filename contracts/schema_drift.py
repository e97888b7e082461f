"""Two versions of one schema compared, keyword by keyword."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

Resolve = Callable[[Any], Any]
Node = Mapping[str, Any]

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
ANNOTATIONS = ("title", "description", "examples", "example", "default", "deprecated", "readOnly", "writeOnly")
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
CONDITIONS = ("pattern", "format", "multipleOf", "uniqueItems")
ALTERNATIVES = ("anyOf", "oneOf", "allOf", "prefixItems")
_READ = {
    "$ref", "type", "enum", "const", "x-known-values", "required", "properties", "items", "additionalProperties",
    *ANNOTATIONS, *LOWER, *UPPER, *CONDITIONS, *ALTERNATIVES,
}  # fmt: skip


class Effect(Enum):
    """What a difference does to the set of values that the schema admits."""

    WIDER = "admits more"
    NARROWER = "admits less"
    WORD = "names a word more, without having excluded it before"
    FIELD_NEW = "names a field more"
    FIELD_GONE = "names a field less"
    UNSURE = "admits other values"


class Difference(NamedTuple):
    """`pointer` leads into the value, any array place as `*`."""

    pointer: str
    effect: Effect
    words: str


class Comparison:
    """One walk over both versions. `old_ref` and `new_ref` follow a `$ref` in each document."""

    def __init__(self, old_ref: Resolve, new_ref: Resolve) -> None:
        self._old_ref = old_ref
        self._new_ref = new_ref
        self._open: set[tuple[int, int]] = set()  # what is being compared above: schemas may be recursive

    def differences(self, old: Any, new: Any, pointer: str = "") -> Iterator[Difference]:
        before, after = _node(self._old_ref(old)), _node(self._new_ref(new))
        pair = (id(old), id(new))
        if pair in self._open:
            return
        self._open.add(pair)
        for compare in (_types, _values, _words, _required, _bounds, _conditions, self._properties, self._rest):
            for each in compare(before, after):
                yield each._replace(pointer=pointer + each.pointer)
        self._open.discard(pair)

    def _properties(self, old: Node, new: Node) -> Iterator[Difference]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in sorted(before.keys() | after.keys()):
            if name not in after:
                yield Difference(f"/{name}", Effect.FIELD_GONE, "the field is gone")
            elif name not in before:
                required = name in new.get("required", ())
                effect = Effect.NARROWER if required else Effect.FIELD_NEW
                yield Difference(f"/{name}", effect, f"a new field, {'required' if required else 'optional'}")
            else:
                yield from self.differences(before[name], after[name], f"/{name}")

    def _rest(self, old: Node, new: Node) -> Iterator[Difference]:
        if "items" in old or "items" in new:
            yield from self.differences(old.get("items", {}), new.get("items", {}), "/*")
        if "additionalProperties" in old or "additionalProperties" in new:
            yield from self._additional(old.get("additionalProperties", True), new.get("additionalProperties", True))
        for keyword in ALTERNATIVES:
            yield from self._alternatives(keyword, old.get(keyword, []), new.get(keyword, []))
        for keyword in sorted((old.keys() | new.keys()) - _READ):
            if not keyword.startswith("x-") and old.get(keyword) != new.get(keyword):
                yield Difference("", Effect.UNSURE, f"{keyword} changed")

    def _additional(self, old: Any, new: Any) -> Iterator[Difference]:
        if old is new:
            return
        if new is False:
            yield Difference("", Effect.NARROWER, "no further fields")
        elif old is False:
            yield Difference("", Effect.WIDER, "further fields")
        else:
            yield from self.differences(old, new, "/*")

    def _alternatives(self, keyword: str, old: list[Any], new: list[Any]) -> Iterator[Difference]:
        if len(old) == len(new):
            for before, after in zip(old, new, strict=True):
                yield from self.differences(before, after)
        else:
            yield Difference("", Effect.UNSURE, f"{keyword} has {len(new)} branches, not {len(old)}")


def _node(schema: Any) -> Node:
    if schema is False:
        return {"type": []}
    return schema if isinstance(schema, Mapping) else {}


def _types(old: Node, new: Node) -> Iterator[Difference]:
    before, after = _type_names(old), _type_names(new)
    for name in TYPES:
        if name in after and name not in before and not (name == "integer" and "number" in after):
            yield Difference("", Effect.WIDER, f"may be {name}")
        if name in before and name not in after and not (name == "integer" and "number" in before):
            yield Difference("", Effect.NARROWER, f"is never {name}")


def _type_names(schema: Node) -> set[str]:
    named = schema.get("type", TYPES)
    names = {named} if isinstance(named, str) else set(named)
    return names | {"integer"} if "number" in names else names


def _values(old: Node, new: Node) -> Iterator[Difference]:
    before, after = _allowed(old), _allowed(new)
    if before == after:
        return
    if after is None:
        yield Difference("", Effect.WIDER, "any value, not only some")
    elif before is None:
        yield Difference("", Effect.NARROWER, f"only {', '.join(after)}")
    else:
        yield from (Difference("", Effect.WIDER, f"a new value, {each}") for each in after if each not in before)
        yield from (Difference("", Effect.NARROWER, f"never {each}") for each in before if each not in after)


def _allowed(schema: Node) -> list[str] | None:
    """As JSON, in which 1 and true differ."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else [json.dumps(value, sort_keys=True) for value in values]


def _words(old: Node, new: Node) -> Iterator[Difference]:
    before, after = old.get("x-known-values", []), new.get("x-known-values", [])
    yield from (Difference("", Effect.WORD, f"a new word, {json.dumps(each)}") for each in after if each not in before)
    gone = (each for each in before if each not in after)
    yield from (Difference("", Effect.NARROWER, f"the word {json.dumps(each)} is gone") for each in gone)


def _required(old: Node, new: Node) -> Iterator[Difference]:
    """Of fields in both; what is new or gone is told with its field."""
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    told = old.get("properties", {}).keys() ^ new.get("properties", {}).keys()
    for name in sorted((before ^ after) - told):
        effect, words = (Effect.WIDER, "may be absent") if name in before else (Effect.NARROWER, "is required")
        yield Difference(f"/{name}", effect, words)


def _bounds(old: Node, new: Node) -> Iterator[Difference]:
    for keyword in (*LOWER, *UPPER):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        looser = after is None or (before is not None and (after < before) is (keyword in LOWER))
        effect = Effect.WIDER if looser else Effect.NARROWER
        yield Difference("", effect, f"{keyword} {_told(before)} became {_told(after)}")


def _conditions(old: Node, new: Node) -> Iterator[Difference]:
    for keyword in CONDITIONS:
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        effect = Effect.WIDER if after is None else Effect.NARROWER if before is None else Effect.UNSURE
        yield Difference("", effect, f"{keyword} {_told(before)} became {_told(after)}")


def _told(value: Any) -> str:
    return "(none)" if value is None else str(value)
