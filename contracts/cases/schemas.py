"""What the generator understands of a schema, and one value that a schema allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.document import Document

ASSERTIONS = frozenset(
    {
        "type", "enum", "const", "required", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
        "maxLength", "pattern", "format", "minItems", "maxItems", "anyOf", "oneOf",
    }
)  # fmt: skip
APPLICATORS = frozenset({"properties", "items", "allOf", "anyOf", "oneOf"})
ANNOTATIONS = frozenset(
    {
        "$ref", "$comment", "title", "description", "example", "examples", "default", "deprecated", "readOnly",
        "writeOnly", "contentMediaType", "contentEncoding",
    }
)  # fmt: skip
FORMATS = {
    "date-time": "2026-11-01T06:00:00Z",
    "date": "2026-11-01",
    "email": "test.person@example.test",
    "uri": "https://example.test/",
    "uuid": "c5a863bc-86f2-4418-a26f-25b24c7983c7",
}

Schema = Mapping[str, Any]


class NotUnderstood(Exception):
    """A schema says something that the generator does not understand, so that its cases would leave it untested."""


def understood(document: Document, node: Any, place: str) -> Schema:
    """The schema behind a node. Raises NotUnderstood, naming keyword and place."""
    schema: Schema = document.resolve(node if isinstance(node, Mapping) else {})
    for keyword in schema.keys() - ASSERTIONS - APPLICATORS - ANNOTATIONS:
        if not keyword.startswith("x-"):
            raise NotUnderstood(f"the generator does not understand {keyword!r} at {place}")
    if schema.get("format", "date") not in FORMATS:
        raise NotUnderstood(f"the generator does not understand the format {schema['format']!r} at {place}")
    return schema


def types_of(schema: Schema) -> tuple[str, ...]:
    given = schema.get("type", ())
    return (given,) if isinstance(given, str) else tuple(given)


def branches(document: Document, schema: Schema, place: str) -> list[Schema]:
    """The schema itself and every branch of it, resolved."""
    found = [schema]
    for keyword in ("allOf", "anyOf", "oneOf"):
        for number, branch in enumerate(schema.get(keyword, ())):
            resolved = understood(document, branch, f"{place}/{keyword}/{number}")
            found += branches(document, resolved, f"{place}/{keyword}/{number}")
    return found


def property_of(document: Document, schema: Schema, name: str, value: Any, place: str) -> Schema:
    """The schema of one property: that of the branch which allows the value, where several know the name."""
    known = [each for each in branches(document, schema, place) if name in each.get("properties", {})]
    fitting = [each for each in known if document.allows(each, value)]
    holder: Schema = next(iter(fitting or known), {"properties": {name: {}}})
    return understood(document, holder["properties"][name], f"{place}/properties/{name}")


def build(document: Document, node: Any, place: str, branch: int = 0) -> Any:
    """A value that the schema allows, with everything that it names. Raises NotUnderstood."""
    schema = understood(document, node, place)
    for key in ("const", "examples", "enum", "x-known-values"):
        if key in schema:
            return schema[key] if key == "const" else schema[key][0]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return build(document, schema[key][min(branch, len(schema[key]) - 1)], f"{place}/{key}/{branch}")
    kinds = (types_of(each) for each in branches(document, schema, place))
    kind = next((each[0] for each in kinds if each), "string")
    return _BUILDERS[kind](document, schema, place)


def _object(document: Document, schema: Schema, place: str) -> Any:
    named: dict[str, Any] = {}
    for each in branches(document, schema, place):
        named |= each.get("properties", {})
    return {name: build(document, node, f"{place}/properties/{name}") for name, node in named.items()}


def _array(document: Document, schema: Schema, place: str) -> Any:
    return [build(document, schema.get("items", {}), f"{place}/items")] * max(1, schema.get("minItems", 1))


def _string(document: Document, schema: Schema, place: str) -> Any:
    if "format" in schema:
        return FORMATS[schema["format"]]
    if "pattern" in schema:
        raise NotUnderstood(f"the generator needs an example of the pattern at {place}")
    return "Test text".ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 9)]


def _integer(document: Document, schema: Schema, place: str) -> Any:
    return int(schema.get("minimum", schema.get("exclusiveMinimum", 6) + 1))


_BUILDERS = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _integer,
    "boolean": lambda *_: True,
    "null": lambda *_: None,
}


def filled(document: Document, node: Any, value: Any, place: str, branch: int = 0) -> Any:
    """An example with everything beside that the schema names, and something where it shows nothing."""
    schema = understood(document, node, place)
    alternatives = schema.get("anyOf", schema.get("oneOf", ()))
    if branch and alternatives:
        chosen = alternatives[min(branch, len(alternatives) - 1)]
        if not document.allows(chosen, value):
            return build(document, chosen, f"{place}/{branch}")
    if value is None:
        return _something(document, schema, place, branch)
    if isinstance(value, list):
        return [filled(document, schema.get("items", {}), each, f"{place}/items", branch) for each in value]
    if not isinstance(value, dict):
        return value
    names = dict.fromkeys([*value, *_named(document, schema, value, place)])
    return {name: _filled_property(document, schema, value, name, place, branch) for name in names}


def _filled_property(document: Document, schema: Schema, value: Any, name: str, place: str, branch: int) -> Any:
    child = property_of(document, schema, name, value, place)
    where = f"{place}/properties/{name}"
    return (
        filled(document, child, value[name], where, branch) if name in value else build(document, child, where, branch)
    )


def _named(document: Document, schema: Schema, value: Any, place: str) -> Iterator[str]:
    for each in branches(document, schema, place):
        if each is schema or document.allows(each, value):
            yield from each.get("properties", ())


def _something(document: Document, schema: Schema, place: str, branch: int) -> Any:
    kinds = [kind for kind in types_of(schema) if kind != "null"]
    if kinds:
        return build(document, {**schema, "type": kinds[0]}, place)
    return build(document, schema, place, branch) if "anyOf" in schema or "oneOf" in schema else None


def branch_count(document: Document, node: Any, value: Any, place: str) -> int:
    """How many bases it takes to visit every branch of a schema once."""
    schema = understood(document, node, place)
    counts = [len(schema.get(keyword, ())) for keyword in ("anyOf", "oneOf")]
    if isinstance(value, list) and value:
        counts.append(branch_count(document, schema.get("items", {}), value[0], f"{place}/items"))
    if isinstance(value, dict):
        for name, child in value.items():
            inner = property_of(document, schema, name, value, place)
            counts.append(branch_count(document, inner, child, f"{place}/properties/{name}"))
    return max(counts, default=0)
