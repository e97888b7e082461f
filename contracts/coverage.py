"""What of a contract its cases have reached: documented answers, and each thing that a schema asserts, both ways.

A location is one assertion where it stands: `PayoutStats/properties/failed_count type`. A schema that many answers
refer to is one place. Each name of `required` and each word of `enum` counts by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.cases.case import Case
from contracts.cases.schemas import ASSERTIONS
from contracts.document import Document

Pair = tuple[str, str, str]

LONGEST = 100_000  # bytes: what is longer is a fault of the wire and no case of a schema

_TEXT, _NUMBER = (str,), (int, float)
_APPLIES: Mapping[str, tuple[type, ...]] = {
    "required": (dict,),
    "minItems": (list,),
    "maxItems": (list,),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), _TEXT),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One assertion alone. `ways`: which of satisfied and violated it can be seen as."""

    location: str
    schema: Mapping[str, Any]
    applies: tuple[type, ...]
    ways: tuple[bool, ...] = (True, False)


@dataclass
class Node:
    """One place of a schema: what it asserts, and where it leads."""

    checks: list[Check] = field(default_factory=list)
    properties: dict[str, Node] = field(default_factory=dict)
    items: Node | None = None
    beside: list[Node] = field(default_factory=list)  # branches, and what a reference leads to


class Coverage:
    """Counts what has been seen. `missing` names what has not."""

    def __init__(self, document: Document, unreachable: Mapping[str, str] | None = None) -> None:
        """`unreachable`: what the mapping says cannot be seen ("never violated: Page/items minItems"), and why."""
        self.document = document
        self.unreachable = unreachable or {}
        self.pairs = frozenset(_pairs(document))
        self.seen_pairs: set[Pair] = set()
        self._places: dict[str, Node] = {}
        self._roots = {pair: self._root(*pair) for pair in self.pairs if "json" in pair[2]}
        self._reached_from = {pair: frozenset(_ways(root)) for pair, root in self._roots.items()}
        self.ways = frozenset().union(*self._reached_from.values())
        self._pending = set(self.ways)

    def see(self, case: Case) -> None:
        pair = (case.operation, str(case.status), case.media or "")
        if pair in self.pairs:
            self.seen_pairs.add(pair)
        # A body that can show nothing new is not even read.
        news = not self._pending.isdisjoint(self._reached_from.get(pair, ()))
        if news and len(case.body) < LONGEST:
            self._look(self._roots[pair], case.body)

    @property
    def locations(self) -> tuple[int, int]:
        """How many ways of how many have been seen: satisfied and violated count apart."""
        return len(self.ways) - len(self._pending), len(self.ways)

    @property
    def missing(self) -> list[str]:
        """What no case has reached, each by name."""
        found = [f"never {'satisfied' if way else 'violated'}: {location}" for location, way in sorted(self._pending)]
        unseen = [each for each in found if each not in self.unreachable]
        seen = [f"seen, and said to be unreachable: {each}" for each in self.unreachable if each not in found]
        return [f"never answered: {' '.join(pair)}" for pair in sorted(self.pairs - self.seen_pairs)] + unseen + seen

    def _look(self, root: Node, body: bytes) -> None:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return
        self._walk(root, value)

    def _walk(self, node: Node, value: Any) -> None:
        for check in node.checks:
            self._check(check, value)
        for other in node.beside:
            self._walk(other, value)
        if isinstance(value, dict):
            for name, inner in node.properties.items():
                if name in value:
                    self._walk(inner, value[name])
        if isinstance(value, list) and node.items is not None:
            for item in value[:3]:
                self._walk(node.items, item)

    def _check(self, check: Check, value: Any) -> None:
        waited = [way for way in check.ways if (check.location, way) in self._pending]
        if waited and isinstance(value, check.applies) and not (check.applies == _NUMBER and isinstance(value, bool)):
            way = self.document.allows(check.schema, value)
            if way in waited:
                self._pending.discard((check.location, way))

    def _root(self, operation: str, status: str, media: str) -> Node:
        schema = self.document.operations[operation].responses[status].content[media].schema
        return self._node(schema, f"{operation} {status}")

    def _node(self, schema: Any, place: str) -> Node:
        """The node of a schema; that of a component is made once."""
        if not isinstance(schema, Mapping):
            return Node()
        if "$ref" not in schema:
            return self._fill(Node(), schema, place)
        target = schema["$ref"].rpartition("/")[2]
        if target not in self._places:
            self._places[target] = Node()
            self._fill(self._places[target], self.document.resolve({"$ref": schema["$ref"]}), target)
        own = {name: value for name, value in schema.items() if name != "$ref"}
        node = self._fill(Node(), own, place)
        node.beside.append(self._places[target])
        return node

    def _fill(self, node: Node, schema: Mapping[str, Any], place: str) -> Node:
        node.checks = list(_checks(schema, place))
        node.properties = {
            name: self._node(inner, f"{place}/{name}") for name, inner in schema.get("properties", {}).items()
        }
        if "items" in schema:
            node.items = self._node(schema["items"], f"{place}/items")
        for keyword in ("allOf", "anyOf", "oneOf"):
            for number, branch in enumerate(schema.get(keyword, ())):
                node.beside.append(self._node(branch, f"{place}/{keyword}/{number}"))
        return node


def _ways(root: Node) -> Iterator[tuple[str, bool]]:
    """Everything that is asserted at a place and below it, once for each way that it can be seen."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            waiting += [*node.properties.values(), *node.beside, *([node.items] if node.items else [])]
            yield from ((check.location, way) for check in node.checks for way in check.ways)


def _pairs(document: Document) -> list[Pair]:
    return [
        (operation.id, status, media)
        for operation in document.operations.values()
        for status, response in operation.responses.items()
        for media in (list(response.content) or [""])
    ]


def _checks(schema: Mapping[str, Any], place: str) -> Iterator[Check]:
    """Each assertion of a schema by itself."""
    for keyword in schema.keys() & ASSERTIONS:
        applies, value = _APPLIES.get(keyword, (object,)), schema[keyword]
        if keyword == "required":
            yield from (Check(f"{place} required {name}", {"required": [name]}, applies) for name in value)
        elif keyword == "enum":
            yield Check(f"{place} enum", {"enum": value}, applies, (False,))
            yield from (Check(f"{place} enum {word}", {"const": word}, applies, (True,)) for word in value)
        else:
            yield Check(f"{place} {keyword}", {keyword: value}, applies)
