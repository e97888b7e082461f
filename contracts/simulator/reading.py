"""Reads a request by the contract: parameters and body, typed and valid, or Invalid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import jsonschema_rs

from contracts.document import Document, Operation, Parameter
from contracts.simulator.wire import LONGEST, Request, number, read_json


class Invalid(Exception):
    """The request does not meet the contract. `where` is path, query, header or body."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(message)
        self.where = where
        self.message = message


def read(
    document: Document, operation: Operation, in_path: Mapping[str, str], request: Request
) -> tuple[dict[str, Any], Any]:
    """The parameters by name, and the body. What the contract does not name is ignored."""
    given = parse_qs(request.query, keep_blank_values=True)
    values = {}
    for parameter in operation.parameters:
        texts = _texts(parameter, in_path, given, request)
        if texts:
            values[parameter.name] = _value(document, operation, parameter, texts)
        elif parameter.required:
            raise Invalid(parameter.where, f"{parameter.name} is required")
        else:
            _use_default(document, parameter, values)
    return values, _body(document, operation, request)


def _texts(
    parameter: Parameter, in_path: Mapping[str, str], given: Mapping[str, list[str]], request: Request
) -> list[str]:
    if parameter.where == "path":
        return [in_path[parameter.name]]
    if parameter.where == "query":
        return given.get(parameter.name, [])
    text = request.headers.get(parameter.name.lower())
    return [] if text is None else [text]


def _use_default(document: Document, parameter: Parameter, values: dict[str, Any]) -> None:
    schema = document.resolve(parameter.schema)
    if "default" in schema:
        values[parameter.name] = schema["default"]


def _value(document: Document, operation: Operation, parameter: Parameter, texts: list[str]) -> Any:
    schema = document.resolve(parameter.schema)
    if schema.get("type") == "array":
        value: Any = [_typed(text, document.resolve(schema.get("items", {}))) for text in texts]
    elif len(texts) > 1:
        raise Invalid(parameter.where, f"{parameter.name} is given more than once")
    else:
        value = _typed(texts[0], schema)
    problem = first_problem(document.parameter_validator(operation, parameter), value)
    if problem is not None:
        raise Invalid(parameter.where, f"{parameter.name}: {problem}")
    return value


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    """A text that is no number stays a text, for the validator to refuse."""
    if schema.get("type") == "integer":
        digits = text.removeprefix("-")
        return number(text) if digits.isascii() and digits.isdigit() and len(digits) < LONGEST else text
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _body(document: Document, operation: Operation, request: Request) -> Any:
    if not operation.body:
        return None
    if not request.body:
        if operation.body_required:
            raise Invalid("body", "a body is required")
        return None
    if request.media not in operation.body:
        raise Invalid("body", f"the body has to be one of {', '.join(operation.body)}")
    try:
        body = read_json(request.body)
    except ValueError as error:
        raise Invalid("body", f"the body is no JSON: {error}") from None
    problem = first_problem(document.body_validator(operation, request.media), body)
    if problem is not None:
        raise Invalid("body", problem)
    return body


def first_problem(validator: jsonschema_rs.Draft202012Validator, value: Any) -> str | None:
    error = next(validator.iter_errors(value), None)
    if error is None:
        return None
    at = "/".join(map(str, error.instance_path))
    return f"{at}: {error.message}" if at else error.message
