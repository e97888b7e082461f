"""JSON bodies as bytes, with numbers spelt as a case wants them."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_MARKED = re.compile(r'"\\u0000number:([^"]*)"')


class Number(NamedTuple):
    """A number that must be spelt just so: `Number("42.0")`."""

    text: str


def encode(value: Any, **options: Any) -> bytes:
    """The JSON of a value; a Number keeps its spelling, and half a character is escaped."""
    return _MARKED.sub(r"\1", json.dumps(_marked(value), **options)).encode()


def _marked(value: Any) -> Any:
    if isinstance(value, Number):
        return f"\x00number:{value.text}"
    if isinstance(value, dict):
        return {name: _marked(child) for name, child in value.items()}
    return [_marked(child) for child in value] if isinstance(value, list) else value
