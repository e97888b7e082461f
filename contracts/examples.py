"""Whether the examples of a contract are what its own schemas allow: cases are made from them, and rest on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.document import Document, Validator
from contracts.operation import Operation


def untrue(document: Document) -> Iterator[str]:
    """Every example, of a request or of an answer, that its own schema refuses: where it stands, and why."""
    for operation in document.operations.values():
        for where, validator, example in _examples(document, operation):
            yield from (f"{operation.id} {where}: {fault}" for fault in _faults(validator, example))


def _examples(document: Document, operation: Operation) -> Iterator[tuple[str, Validator, Any]]:
    for parameter in operation.parameters:
        for example in parameter.examples:
            yield f"example of {parameter.name}", document.parameter_validator(operation, parameter), example
    for media, content in operation.body.items():
        for name, example in content.examples.items():
            yield f"request, {name}", document.body_validator(operation, media), example
    for status, response in operation.responses.items():
        for media, content in response.content.items():
            for name, example in content.examples.items():
                yield f"{status}, {name}", document.response_validator(operation, status, media), example


def _faults(validator: Validator, example: Any) -> Iterator[str]:
    try:
        for error in validator.iter_errors(example):
            place = "".join(f"/{part}" for part in error.instance_path)
            yield f"{place or 'the example'}: {error.message:.200}"
    except ValueError as error:  # YAML has more than JSON: an unquoted date, for one
        yield f"no JSON has such a value: {error}"
