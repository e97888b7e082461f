"""What comes in and what goes out, apart from any connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

JSON = "application/json"
PLAIN = "text/plain"

LONGEST = 400

# Decimals leave with the digits that they have: 1250.00 stays 1250.00.
_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it stands on the wire: `path` undecoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    called: str = ""  # the path with the base path, where that differs

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def names_json(self) -> bool:
        return JSON in self.headers.get("accept", "").lower()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `value` is what a JSON body was written from, so that a fault can edit it."""

    status: int
    body: bytes = b""
    media: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    value: Any = None

    @classmethod
    def of_json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
        return cls(status, _ENCODER.encode(value), JSON, headers or {}, value)

    @classmethod
    def of_text(cls, status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
        return cls(status, text.encode(), PLAIN, headers or {})

    def parsed(self) -> Any:
        """The body as a client would read it: JSON parsed, anything else as text."""
        return exact_json(self.body) if self.media == JSON else self.body.decode(errors="replace")


class Refused(Exception):
    """A refusal, which the provider's description puts into that provider's words."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def read_json(body: bytes) -> Any:
    """A JSON body. Raises ValueError for whatever is no JSON; NaN, deep nesting and half surrogates too."""
    try:
        value = exact_json(body)
        _ENCODER.encode(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def exact_json(body: bytes) -> Any:
    """JSON with every number as it was written."""
    return json.loads(body, parse_float=number, parse_int=number, parse_constant=_refuse_constant)


def number(text: str) -> int | Decimal:
    """The encoder's integers end at 64 bits; a Decimal goes on. Nobody's amount has hundreds of digits."""
    if len(text) < 19 and text.lstrip("-").isdigit():
        return int(text)
    try:
        value = Decimal(text)
    except ArithmeticError:
        raise ValueError("a number is out of all bounds") from None
    if len(text) > LONGEST or abs(value.adjusted()) > LONGEST:
        raise ValueError("a number is out of all bounds")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
