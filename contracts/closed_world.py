"""Whether an HTTP request is one that a contract documents, field by field: nothing missing, and nothing more."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from contracts.document import Document, Operation, Parameter, Schema

# What every HTTP client sends, whatever a contract says.
ORDINARY = frozenset(
    {"host", "accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent"}
)


class Sent(NamedTuple):
    """One HTTP request. `path` comes after the base URL, as it stands in it; header names are lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Departure(NamedTuple):
    """One way in which a request is not the contract's. `place` reads like "query limit" or "body /a/b"."""

    place: str
    message: str


def departures(document: Document, sent: Sent, *, addressed: bool = True) -> list[Departure]:
    """Every way in which a request departs from the contract.

    Without `addressed`, credentials and Accept are left aside: what a call asks, and not how it is sent.
    """
    match = document.match(sent.method, sent.path)
    if match is None:
        return [Departure("path", f"{sent.method} {sent.path} is not documented")]
    operation, in_path = match
    return [
        *_parameters(document, operation, "path", {name: [value] for name, value in in_path.items()}),
        *_parameters(document, operation, "query", grouped(sent.query)),
        *_parameters(document, operation, "header", grouped(named_headers(document, sent))),
        *(_manners(document, operation, grouped(sent.headers)) if addressed else ()),
        *_body(document, operation, sent),
    ]


def grouped(pairs: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    """Each name with all its values."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def credential_headers(document: Document) -> frozenset[str]:
    """The headers, in lower case, that carry credentials."""
    schemes = document.raw.get("components", {}).get("securitySchemes", {}).values()
    return frozenset(_header_of(document.resolve(scheme)) for scheme in schemes)


def _header_of(scheme: Schema) -> str:
    return str(scheme["name"]).lower() if scheme["type"] == "apiKey" else "authorization"


def named_headers(document: Document, sent: Sent) -> tuple[tuple[str, str], ...]:
    """The headers that a contract must name: all but the credentials and what every client sends."""
    usual = ORDINARY | credential_headers(document)
    return tuple((name, value) for name, value in sent.headers if name not in usual)


def _manners(document: Document, operation: Operation, given: Mapping[str, list[str]]) -> Iterator[Departure]:
    yield from _security(document, operation, given)
    yield from _accept(operation, given)


def _security(document: Document, operation: Operation, given: Mapping[str, list[str]]) -> Iterator[Departure]:
    """One of the documented ways to authenticate, whole; and no credentials where none are asked for."""
    schemes = document.raw.get("components", {}).get("securitySchemes", {})
    ways = operation.raw.get("security", document.raw.get("security", ()))
    wanted = [{name: document.resolve(schemes[name]) for name in way} for way in ways] or [{}]
    held = credential_headers(document) & given.keys()
    fitting = [way for way in wanted if all(_authenticates(scheme, given) for scheme in way.values())]
    if not fitting:
        yield Departure("security", f"it authenticates in none of the documented ways: {[*map(list, wanted)]}")
    elif not any(held <= {_header_of(scheme) for scheme in way.values()} for way in fitting):
        yield Departure("security", f"it holds more credentials than are asked for: {sorted(held)}")


def _authenticates(scheme: Schema, given: Mapping[str, list[str]]) -> bool:
    values = given.get(_header_of(scheme), [])
    if len(values) != 1 or not values[0]:
        return False
    if scheme["type"] == "apiKey":
        return bool(scheme["in"] == "header")
    word, _, rest = values[0].partition(" ")
    if word.lower() != str(scheme.get("scheme", "bearer")).lower():
        return False
    return _is_basic(rest) if word.lower() == "basic" else re.fullmatch(r"[\x21-\x7e]+", rest) is not None


def _is_basic(text: str) -> bool:
    try:
        return b":" in base64.b64decode(text, validate=True)
    except binascii.Error:
        return False


def _accept(operation: Operation, given: Mapping[str, list[str]]) -> Iterator[Departure]:
    answers = [response for status, response in operation.responses.items() if status.startswith("2")]
    shown = {media for answer in answers for media in answer.content}
    asked = given.get("accept", [])
    if shown and not (len(asked) == 1 and asked[0] in shown):
        yield Departure("header accept", f"it accepts {asked}; documented: {sorted(shown)}")


def _parameters(
    document: Document, operation: Operation, where: str, given: Mapping[str, list[str]]
) -> Iterator[Departure]:
    known = {_spelt(parameter): parameter for parameter in operation.parameters if parameter.where == where}
    for name in given.keys() - known.keys():
        yield Departure(f"{where} {name}", "it is not documented")
    for name, parameter in known.items():
        if name in given:
            yield from _value(document, operation, parameter, given[name])
        elif parameter.required:
            yield Departure(f"{where} {name}", "it is required")


def _spelt(parameter: Parameter) -> str:
    return parameter.name.lower() if parameter.where == "header" else parameter.name


def _value(document: Document, operation: Operation, parameter: Parameter, texts: list[str]) -> Iterator[Departure]:
    place = f"{parameter.where} {_spelt(parameter)}"
    schema = document.resolve(parameter.schema)
    if schema.get("type") == "array":
        inner = document.resolve(schema.get("items", {}))
        parts = texts if parameter.explode else ",".join(texts).split(",")
        value: Any = [typed(inner, text) for text in parts]
    elif len(texts) == 1:
        value = typed(schema, texts[0])
    else:
        yield Departure(place, f"it stands {len(texts)} times")
        return
    for error in document.parameter_validator(operation, parameter).iter_errors(value):
        yield Departure(place, error.message)


def typed(schema: Schema, text: str) -> Any:
    """What a text stands for; the text itself where it does not fit the schema's type."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?(0|[1-9][0-9]*)", text, re.ASCII):
        return int(text) if len(text) < 4000 else text
    return {"true": True, "false": False}.get(text, text) if schema.get("type") == "boolean" else text


def _body(document: Document, operation: Operation, sent: Sent) -> Iterator[Departure]:
    media = dict(sent.headers).get("content-type", "")
    if sent.body and media in operation.body:
        yield from _content(document, operation, media, sent.body)
    elif sent.body:
        yield Departure("body", f"a body of type {media or 'none'} is not documented")
    elif operation.body_required:
        yield Departure("body", "it is required")
    elif media:
        yield Departure("header content-type", "it stands beside no body")


def _content(document: Document, operation: Operation, media: str, raw: bytes) -> Iterator[Departure]:
    try:
        body = json.loads(raw, object_pairs_hook=_once, parse_constant=_no_number)
    except ValueError as error:
        yield Departure("body", f"it is no JSON: {error}")
        return
    for fault in document.body_validator(operation, media).iter_errors(body):
        pointer = "".join(f"/{part}" for part in fault.instance_path)
        yield Departure(f"body {pointer}".strip(), fault.message)
    for place in _unnamed(document, operation.body[media].schema, body):
        yield Departure(f"body {place}", "it is not documented")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _unnamed(document: Document, schema: Any, value: Any, place: str = "") -> Iterator[str]:
    """The fields of a body that no branch of its schema names."""
    if isinstance(value, list):
        inner = document.resolve(document.resolve(schema or {}).get("items", {}))
        for each in value if inner.get("type") in ("object", "array") else ():
            yield from _unnamed(document, inner, each, place)
    if not isinstance(value, Mapping):
        return
    named, others = named_properties(document, schema or {})
    for key, child in value.items():
        if key in named or others is not None:
            yield from _unnamed(document, named.get(key, others), child, f"{place}/{key}")
        else:
            yield f"{place}/{key}"


def named_properties(document: Document, schema: Any) -> tuple[dict[str, Any], Any]:
    """The properties that a schema and its branches name, and the schema of any others that it invites."""
    schema = document.resolve(schema)
    named, more = dict(schema.get("properties", {})), schema.get("additionalProperties")
    others = more if isinstance(more, Mapping) else None
    for branch in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        inner, invited = named_properties(document, branch)
        named, others = inner | named, others if others is not None else invited
    return named, others
