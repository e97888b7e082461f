"""Variants of a documented answer: what the schema allows beside its example, and what it does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from contracts.document import Document, Operation

Path = tuple[str | int, ...]

UNKNOWN_WORD = "test_word_of_nobody"
WRONG: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    1e30,
    2**70,
    "",
    "test",
    "TEST\x00\u202e😀",
    "x" * 10_000,
    [],
    {},
    [1],
)
EXTREME: tuple[Any, ...] = (1e30, 2**70)


class Variant(NamedTuple):
    """One changed body, spelt as bytes, and whether the contract allows it."""

    label: str
    body: bytes
    valid: bool
    extreme: bool  # holds a number that a plugin may refuse whatever the schema says


def variants(document: Document, operation: Operation, status: int, media: str, example: Any) -> Iterator[Variant]:
    """Every single change of an example: dropped, null, of a wrong type, of another word, with a field more."""
    schema = operation.responses[str(status)].content[media].schema
    validator = document.response_validator(operation, status, media)
    for path, label, changed in _changes(document, schema, example, ()):
        body = json.dumps(_replaced(example, path, changed)).encode()
        if label == "whole as float":
            body = body.replace(b'"@float@"', b"%d.0" % changed_number(example, path))
        valid = validator.is_valid(json.loads(body))
        yield Variant(f"{'/'.join(map(str, path)) or 'the body'}: {label}", body, valid, changed in EXTREME)


def changed_number(example: Any, path: Path) -> int:
    for part in path:
        example = example[part]
    return int(example)


DROPPED = object()


def _changes(document: Document, schema: Any, value: Any, path: Path) -> Iterator[tuple[Path, str, Any]]:
    schema = document.resolve(schema)
    yield from ((path, f"is {json.dumps(wrong)[:30]}", wrong) for wrong in WRONG)
    for word in (*schema.get("enum", ()), *schema.get("x-known-values", ())):
        yield path, f"is the word {word}", word
    if isinstance(value, str):
        yield path, "is an unknown word", UNKNOWN_WORD
        yield path, "is in other letters", value.swapcase()
    if isinstance(value, int) and not isinstance(value, bool):
        yield path, "whole as float", "@float@"
    if isinstance(value, Mapping):
        yield path, "has a field more", {**value, "test_field_of_nobody": [UNKNOWN_WORD]}
        for key, child in value.items():
            yield (*path, key), "is left out", DROPPED
            yield from _changes(document, _property(document, schema, key), child, (*path, key))
    if isinstance(value, list) and value:
        yield from _changes(document, schema.get("items", {}), value[0], (*path, 0))


def _property(document: Document, schema: Any, key: str) -> Any:
    for branch in (schema, *map(document.resolve, schema.get("anyOf", ()))):
        if key in branch.get("properties", {}):
            return branch["properties"][key]
    return {}


def _replaced(example: Any, path: Path, changed: Any) -> Any:
    if not path:
        return changed
    whole = copy.deepcopy(example)
    target = whole
    for part in path[:-1]:
        target = target[part]
    if changed is DROPPED:
        del target[path[-1]]
    else:
        target[path[-1]] = changed
    return whole


def wire_faults(good: bytes) -> dict[str, bytes]:
    """Bodies that no contract documents: each must be refused by name, never believed and never a crash."""
    return {
        "empty": b"",
        "blank": b" \n",
        "HTML": b"<html><body>Bad gateway</body></html>",
        "text": b"OK",
        "null": b"null",
        "a word": b'"ok"',
        "a number": b"1",
        "cut at 1": good[:1],
        "cut at a quarter": good[: len(good) // 4],
        "cut at half": good[: len(good) // 2],
        "cut at the end": good[:-1],
        "BOM": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"),
        "bad UTF-8 alone": b"\xff\xfe\xfd",
        "something after it": good + b"x",
        "twice": good + good,
        "wrapped in an array": b"[[" + good + b"]]",
        "NaN": b'{"id": NaN}',
        "200,000 open arrays": b"[" * 200_000,
        "200,000 open objects": b'{"data":' * 200_000,
        "200,000 deep beside it": b'{"test_field": ' + b"[" * 200_000 + b"]" * 200_000 + b", " + good[1:],
        "lone surrogate": b'{"\\ud800": "\\ud800"}',
        "XML": b"<?xml version='1.0'?><payout/>",
    }
