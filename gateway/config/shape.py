"""What is wrong with a config's shape: unknown keys, missing ones, wrong types; each with its path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec
from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

from gateway.config.model import Config
from gateway.config.suggesting import meant, nearest, perhaps
from gateway.redaction import MASK


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of the config, as editors take it."""
    made = msgspec.json.schema(Config)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "payout-gateway's config"} | made


class _Whole:
    """A keyword beside `type: integer`, which lets 5.0 pass: the fields want what is written without a point."""

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        pass

    def validate(self, instance: Any) -> None:
        if isinstance(instance, float) and instance.is_integer():
            raise ValueError("must be a whole number, written without a point")


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    whole = {"whole": True} if node.get("type") == "integer" else {}
    return {name: _strict(item) for name, item in node.items()} | whole


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(_strict(schema()), validate_formats=True, keywords={"whole": _Whole}, mask=MASK)


def faults_of_shape(raw: dict[str, Any]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(fault for error in _validator().iter_errors(raw) for fault in _faults(error)))


def _faults(error: ValidationError) -> Iterator[tuple[str, str]]:
    at = error.instance_path
    match error.kind:
        case ValidationErrorKind.AdditionalProperties(unexpected=names):
            for name in names:
                yield dotted([*at, name]), f"there is no such key{meant(name, _known(error))}"
        case ValidationErrorKind.Required(property=name):
            if nearest(name, _given(error)) is None:  # misspelt it is named already
                yield dotted([*at, name]), "is required"
        case ValidationErrorKind.Enum(options=options):
            words, given = [str(option) for option in options], str(error.instance)
            yield dotted(at), f"{given!r} is none of {', '.join(words)}{perhaps(given, words)}"
        case ValidationErrorKind.AnyOf(context=branches):
            yield from _of_branches(error, branches)
        case _:
            yield dotted(at), error.message


def _of_branches(error: ValidationError, branches: Sequence[Sequence[ValidationError]]) -> Iterator[tuple[str, str]]:
    """The faults of the form that was meant: the one whose type is right."""
    for branch in branches:
        wrong_type = any(
            isinstance(each.kind, ValidationErrorKind.Type) and each.instance_path == error.instance_path
            for each in branch
        )
        if not wrong_type:
            for each in branch:
                yield from _faults(each)
            return
    types = [kind for branch in branches for each in branch for kind in getattr(each.kind, "types", ())]
    yield dotted(error.instance_path), f"the value must be of type {' or '.join(types)}"


def _known(error: ValidationError) -> list[str]:
    """The keys of the section that an error is about."""
    section: Any = schema()
    for part in error.schema_path[:-1]:
        section = section[part]
    return list(section.get("properties", ()))


def _given(error: ValidationError) -> list[str]:
    known, section = _known(error), error.instance
    return [name for name in section if name not in known] if isinstance(section, dict) else []


def dotted(path: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in path) or "the file"
