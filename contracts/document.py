"""A provider's contract (`contracts/<name>/openapi.yaml`), read once and typed.

    document = Document.load("heldsway")
    match = document.match("GET", "/v1/payouts/42")         # (Operation, {"id": "42"})
    document.response_faults(operation, 200, "application/json", body)

A path that a static template names belongs to that template alone: `/v1/payouts/stats` is no payout's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema_rs
import yaml

from contracts.operation import Content, Operation, Parameter, Response, Schema, operations

__all__ = ["Content", "Document", "Operation", "Parameter", "Response", "Schema"]

Validator = jsonschema_rs.Draft202012Validator

REMARKS = frozenset({"title", "description", "example", "examples", "default", "deprecated", "x-source"})

_FOLDER = Path(__file__).parent
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document:
    """A contract: its operations, which of them a request means, and a validator for each of its bodies."""

    def __init__(self, raw: Mapping[str, Any], name: str) -> None:
        self.name = name
        self.raw = raw
        self._validators: dict[tuple[str, ...], Validator] = {}

    @classmethod
    def load(cls, name: str | Path) -> Document:
        """By a provider's name (read once), or by the path of a contract that stands elsewhere."""
        if isinstance(name, Path) or "/" in name or name.endswith((".yaml", ".yml")):
            return cls(_read(Path(name)), Path(name).parent.name)
        return _shipped(name)

    @cached_property
    def operations(self) -> dict[str, Operation]:
        return {operation.id: operation for operation in operations(self.raw, self.resolve)}

    @cached_property
    def templates(self) -> dict[str, dict[str, Operation]]:
        """Path template to method to operation; where two fit a path, the more definite comes first."""
        table: dict[str, dict[str, Operation]] = {}
        for operation in self.operations.values():
            table.setdefault(operation.path, {})[operation.method] = operation
        return dict(sorted(table.items(), key=lambda item: _openness(item[0])))

    @cached_property
    def base_paths(self) -> tuple[str, ...]:
        """The paths of the documented base URLs, where they have one: ("/api",)."""
        servers = self.raw.get("servers", ())
        paths = (urlsplit(server["url"]).path.rstrip("/") for server in servers)
        return tuple(dict.fromkeys(path for path in paths if path))

    @cached_property
    def secret_names(self) -> frozenset[str]:
        """Property names whose values must never leave."""
        return frozenset(_flagged(self.raw, "x-secret"))

    @cached_property
    def sensitive_names(self) -> frozenset[str]:
        """Property names whose values are shown masked."""
        return frozenset(_flagged(self.raw, "x-sensitive"))

    def locate(self, path: str) -> tuple[str, dict[str, str]] | None:
        """The template of a path (as it stands in the URL, undecoded) and the values in it, decoded."""
        segments = path.split("/")
        for template in self.templates:
            values = _fit(template.split("/"), segments)
            if values is not None:
                return template, values
        return None

    def match(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        located = self.locate(path)
        if located is None:
            return None
        operation = self.templates[located[0]].get(method.upper())
        return None if operation is None else (operation, located[1])

    def resolve(self, node: Any) -> Any:
        """Follows a `$ref` into this document; anything else is returned as it is."""
        while isinstance(node, Mapping) and "$ref" in node:
            target: Any = self.raw
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return node

    def expanded(self, node: Any, above: tuple[str, ...] = ()) -> Any:
        """A schema without its remarks, and with what its `$ref`s lead to in their place; a recursive one stays."""
        if isinstance(node, list):
            return [self.expanded(each, above) for each in node]
        if not isinstance(node, Mapping):
            return node
        target = node.get("$ref")
        if target in above:
            return {"$ref": target}
        followed = self.resolve(node)
        inside = (*above, target) if target else above
        return {
            key: {name: self.expanded(each, inside) for name, each in value.items()}
            if key == "properties"
            else self.expanded(value, inside)
            for key, value in followed.items()
            if key not in REMARKS
        }

    def body_validator(self, operation: Operation, media: str) -> Validator:
        """For a request body. KeyError where the contract has no such media type."""
        schema = operation.body[media].schema
        return self._validator(("body", operation.id, media), schema)

    def parameter_validator(self, operation: Operation, parameter: Parameter) -> Validator:
        return self._validator((parameter.where, operation.id, parameter.name), parameter.schema)

    def response_validator(self, operation: Operation, status: int | str, media: str) -> Validator:
        """For a response body. KeyError where the contract has no such status or media type."""
        schema = operation.responses[str(status)].content[media].schema
        return self._validator(("response", operation.id, str(status), media), schema)

    def component_validator(self, name: str) -> Validator:
        return self._validator(("component", name), {"$ref": f"#/components/schemas/{name}"})

    def allows(self, schema: Schema, value: Any) -> bool:
        """Whether a value fits a schema that stands in this document."""
        return self._validator(("schema", repr(schema)), schema).is_valid(value)

    def response_faults(self, operation: Operation, status: int, media: str, body: Any) -> list[str]:
        """Why an answer is not the contract's: its status, its media type, each departure from the schema."""
        response = operation.response(status)
        if response is None:
            return [f"{operation.id} documents no status {status}"]
        if not response.content:
            return []
        if media not in response.content:
            return [f"{operation.id} documents no {media} for status {status}"]
        validator = self.response_validator(operation, response.status, media)
        return [f"{_pointer(error.instance_path)}: {error.message}" for error in validator.iter_errors(body)]

    def _validator(self, key: tuple[str, ...], schema: Schema | None) -> Validator:
        validator = self._validators.get(key)
        if validator is None:
            validator = self._validators[key] = self._build({} if schema is None else schema)
        return validator

    def _build(self, schema: Schema) -> Validator:
        root = {
            "$schema": _DIALECT,
            "$ref": "#/$defs/root",
            "$defs": {"root": schema},
            "components": {"schemas": self.raw.get("components", {}).get("schemas", {})},
        }
        return Validator(root, validate_formats=True, ignore_unknown_formats=False)


@cache
def _shipped(name: str) -> Document:
    return Document(_read(_FOLDER / name / "openapi.yaml"), name)


def _read(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        raw = yaml.load(file, Loader=_LOADER)  # noqa: S506  a safe loader, in C where there is one
    if not isinstance(raw, Mapping):
        raise ValueError(f"{path} is no OpenAPI document")
    return raw


def _openness(template: str) -> tuple[bool, ...]:
    return tuple(segment.startswith("{") for segment in template.split("/"))


def _fit(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    values = {}
    for expected, given in zip(template, segments, strict=True):
        if expected.startswith("{") and given:
            values[expected[1:-1]] = unquote(given)
        elif expected != given:
            return None
    return values


def _flagged(node: Any, flag: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, schema in _properties(node):
            if isinstance(schema, Mapping) and schema.get(flag) is True:
                yield name
    for child in _children(node):
        yield from _flagged(child, flag)


def _properties(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    properties = node.get("properties")
    if isinstance(properties, Mapping):
        yield from properties.items()


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, Mapping):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def _pointer(parts: list[str | int]) -> str:
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return "".join(f"/{part}" for part in escaped) or "the body"
