"""Whether a request is one that the contract documents, field by field: nothing missing, and nothing more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from contracts.document import Document, Operation, Parameter
from providers.sdk import Call

SENT_BY_THE_GATEWAY = ("accept", "accept-encoding", "content-type", "authorization", "x-api-key")


def faults(document: Document, call: Call[Any]) -> list[str]:
    """Every way in which a call departs from the contract."""
    match = document.match(call.method, call.path)
    if match is None:
        return [f"{call.method} {call.path} is not documented"]
    operation, in_path = match
    return [
        *_names(operation, call),
        *_parameters(document, operation, "path", {name: [value] for name, value in in_path.items()}),
        *_parameters(document, operation, "query", _grouped(call.query)),
        *_parameters(document, operation, "header", _grouped(call.headers)),
        *_body(document, operation, call),
    ]


def _names(operation: Operation, call: Call[Any]) -> Iterator[str]:
    if call.operation != operation.id:
        yield f"it names {call.operation}, and is {operation.id}"
    if not call.success <= {int(status) for status in operation.responses}:
        yield f"its success {sorted(call.success)} is not documented"
    if not call.refuses.keys() <= {int(status) for status in operation.responses}:
        yield f"its refusals {sorted(call.refuses)} are not all documented"
    answers = [operation.responses[status] for status in map(str, call.success) if status in operation.responses]
    shown = {media for answer in answers for media in answer.content}
    if call.accept not in shown:
        yield f"it accepts {call.accept}; documented: {sorted(shown)}"


def _grouped(pairs: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _parameters(document: Document, operation: Operation, where: str, given: Mapping[str, list[str]]) -> Iterator[str]:
    known = {parameter.name: parameter for parameter in operation.parameters if parameter.where == where}
    for name in given.keys() - known.keys():
        yield f"{where} parameter {name} is not documented"
    for name, parameter in known.items():
        if name in given:
            yield from _value(document, operation, parameter, given[name])
        elif parameter.required:
            yield f"{where} parameter {name} is required"


def _value(document: Document, operation: Operation, parameter: Parameter, texts: list[str]) -> Iterator[str]:
    schema = document.resolve(parameter.schema)
    if schema.get("type") == "array":
        inner = document.resolve(schema.get("items", {}))
        value: Any = [typed(inner, text) for text in texts]
    elif len(texts) == 1:
        value = typed(schema, texts[0])
    else:
        yield f"{parameter.where} parameter {parameter.name} stands {len(texts)} times"
        return
    for error in document.parameter_validator(operation, parameter).iter_errors(value):
        yield f"{parameter.where} parameter {parameter.name}: {error.message}"


def typed(schema: Mapping[str, Any], text: str) -> Any:
    if schema.get("type") == "integer" and re.fullmatch(r"-?[0-9]+", text, re.ASCII):
        return int(text)
    return {"true": True, "false": False}.get(text, text) if schema.get("type") == "boolean" else text


def _body(document: Document, operation: Operation, call: Call[Any]) -> Iterator[str]:
    if call.body is None:
        if operation.body_required:
            yield "a body is required"
        return
    if "application/json" not in operation.body:
        yield "no JSON body is documented"
        return
    body = json.loads(call.body)
    for error in document.body_validator(operation, "application/json").iter_errors(body):
        yield f"body {error.instance_path}: {error.message}"
    schema = operation.body["application/json"].schema
    yield from (f"body field {place} is not documented" for place in unknown_fields(document, schema, body))


def unknown_fields(document: Document, schema: Any, value: Any, place: str = "") -> Iterator[str]:
    """The fields of a body that no branch of its schema names."""
    if not isinstance(value, Mapping):
        return
    named = _named(document, schema)
    for key, child in value.items():
        if key not in named:
            yield f"{place}/{key}"
        else:
            yield from unknown_fields(document, named[key], child, f"{place}/{key}")


def _named(document: Document, schema: Any) -> dict[str, Any]:
    schema = document.resolve(schema)
    named = dict(schema.get("properties", {}))
    for branch in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        named = _named(document, branch) | named
    return named
