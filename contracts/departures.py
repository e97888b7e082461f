"""Where an answer departs from its contract, said in pointers and keywords only, never in values.

    checker = Checker(Document.load("heldsway"))
    checker.departures("get_payout", reply)      # (Departure("/data/id", "type"),)
    checker.surplus("get_payout", reply)         # {Departure("/data/colour", "undocumented")}

Departures break the contract. Surplus does not: fields and words beyond it, which an open world allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec

from contracts.document import Document, Operation, Validator
from contracts.operation import Response
from providers.sdk import Reply, flag_text

# Listing the errors of a body costs about 20 µs each, and a hostile one holds hundreds of thousands; of a body
# beyond this many bytes only the first departure is told.
LISTED = 8192
DEPTH = 8  # names in a pointer; a recursive schema would make any number of them

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode = msgspec.json.Decoder().decode


class Departure(NamedTuple):
    """`pointer`: array places and names that the contract lacks are `*`. `keyword`: the schema's, or `status`,
    `media`, `json`; of surplus `undocumented` or `word`."""

    pointer: str
    keyword: str
    detail: str | None = None


class Checker:
    """Compares replies with one document. A valid reply costs one decoding and one validation."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._names = frozenset(_property_names(document.raw))
        self._known: dict[tuple[str, int, str], Validator | None] = {}

    def departures(self, operation: str, reply: Reply) -> tuple[Departure, ...]:
        """None for an operation that the document does not have: there is nothing to compare with."""
        media = reply.headers.get("content-type", "")
        key = (operation, reply.status, media)
        if key not in self._known:
            return self._first_seen(key, reply)
        validator = self._known[key]
        if validator is None:
            return ()
        try:
            body = _decode(reply.body)
        except _UNREADABLE:
            return (Departure("", "json"),)
        return () if validator.is_valid(body) else self._listed(validator, body, len(reply.body))

    def surplus(self, operation: str, reply: Reply) -> set[Departure]:
        """What a reply without departures shows beyond the contract."""
        validator = self._known.get((operation, reply.status, reply.headers.get("content-type", "")))
        if validator is None:
            return set()
        body = _decode(reply.body)
        notes = validator.evaluate(body).annotations()
        return {*self._undocumented(body, notes), *self._unlisted_words(body, notes)}

    def _first_seen(self, key: tuple[str, int, str], reply: Reply) -> tuple[Departure, ...]:
        """Takes down what belongs to the key. Undocumented ones are not kept: there may be any number of them."""
        operation = self.document.operations.get(key[0])
        if operation is None:
            return ()
        response = operation.response(reply.status)
        if response is None:
            return (Departure("", "status"),)
        media = _named(key[2])
        if response.content and media not in response.content:
            return (Departure("", "media"),)
        if len(self._known) > 10_000:  # spellings of a content type's parameters
            self._known.clear()
        self._known[key] = self._validator(operation, response, media)
        return self.departures(key[0], reply)

    def _validator(self, operation: Operation, response: Response, media: str) -> Validator | None:
        """None where nothing is said of the body, or it is no JSON."""
        if media not in response.content or not media.endswith("json"):
            return None
        return self.document.response_validator(operation, response.status, media)

    def _listed(self, validator: Validator, body: Any, size: int) -> tuple[Departure, ...]:
        errors = validator.iter_errors(body) if size <= LISTED else _first(validator, body)
        found = (Departure(self._pointer(error.instance_path), error.kind.name) for error in errors)
        return tuple(dict.fromkeys(found))

    def _pointer(self, parts: list[str | int]) -> str:
        shown = (part if isinstance(part, str) and part in self._names else "*" for part in parts[:DEPTH])
        return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in shown)

    def _undocumented(self, body: Any, notes: list[Any]) -> Iterator[Departure]:
        documented: dict[str, set[str]] = {}
        for note in notes:
            if note["schemaLocation"].endswith(("/properties", "/patternProperties", "/additionalProperties")):
                documented.setdefault(note["instanceLocation"], set()).update(note["annotations"])
        for place, names in documented.items():
            path, value = _reached(body, place)
            for name in value.keys() - names:
                yield Departure(self._pointer(path), "undocumented", flag_text(name))

    def _unlisted_words(self, body: Any, notes: list[Any]) -> Iterator[Departure]:
        for note in notes:
            told = note["annotations"]
            if isinstance(told, Mapping) and "x-known-values" in told:
                path, value = _reached(body, note["instanceLocation"])
                if value not in told["x-known-values"]:
                    yield Departure(self._pointer(path), "word", flag_text(value))


def _first(validator: Validator, body: Any) -> Iterator[Any]:
    try:
        validator.validate(body)
    except jsonschema_rs.ValidationError as error:
        yield error


def _named(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _reached(body: Any, pointer: str) -> tuple[list[str | int], Any]:
    """What stands at a pointer, and its path with array places as numbers."""
    path: list[str | int] = []
    for part in pointer.split("/")[1:]:
        step = int(part) if isinstance(body, list) else part.replace("~1", "/").replace("~0", "~")
        body = body[step]
        path.append(step)
    return path, body


def _property_names(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("properties"), Mapping):
            yield from node["properties"]
        for child in node.values():
            yield from _property_names(child)
    elif isinstance(node, list):
        for child in node:
            yield from _property_names(child)
