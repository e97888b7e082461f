"""A request made of its places alone, as anybody would send it who reads the contract: to hear what that says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from contracts.closed_world import Sent, named_properties, typed
from contracts.comparing import Maybe
from contracts.document import Document, Operation

JSON = "application/json"


def composed(document: Document, operation: Operation, places: Mapping[str, Any]) -> Sent:
    """Without credentials and Accept. `places` reads like {"query limit": ["50"], "path id": "42", "body /a": True}."""
    path = operation.path
    body: dict[str, Any] = {}
    pairs: dict[str, list[tuple[str, str]]] = {"query": [], "header": []}
    for place, value in places.items():
        where, _, name = place.partition(" ")
        if where == "path":
            path = path.replace(f"{{{name}}}", quote(value, safe=":"))
        elif where == "body":
            _put(body, name, _typed(document, _schema(document, operation, name), value))
        else:
            pairs[where] += [(name, text) for text in (value.values if isinstance(value, Maybe) else value)]
    raw = json.dumps(body).encode() if body else b""
    headers = [*pairs["header"], *([("content-type", JSON)] if raw else [])]
    return Sent(operation.method, path, tuple(pairs["query"]), tuple(headers), raw)


def _schema(document: Document, operation: Operation, place: str) -> Any:
    schema: Any = operation.body[JSON].schema
    for part in place.split("/")[1:]:
        schema = named_properties(document, schema)[0].get(part, {})
    return schema


def _typed(document: Document, schema: Any, value: Any) -> Any:
    """A value in the type that the body has for it."""
    schema = document.resolve(schema)
    if isinstance(value, list):
        return [_typed(document, schema.get("items", {}), each) for each in value]
    if isinstance(value, Decimal):
        return f"{value:f}" if schema.get("type") == "string" else int(value) if value == int(value) else float(value)
    return typed(schema, value) if isinstance(value, str) else value


def _put(body: dict[str, Any], place: str, value: Any) -> None:
    *outer, last = place.split("/")[1:]
    for part in outer:
        body = body.setdefault(part, {})
    body[last] = value
