"""Takes out of a provider's JSON what must not travel: by the contract's flags, and by name as a second net."""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal
from typing import Any

import msgspec

from providers.sdk import Malformed, masked

# A field that no contract knows may be a secret too.
SUSPICIOUS = re.compile(r"(?i)token|secret|password|passwd|api_?key|private_?key|credential|authorization")

# What a validator says instead of the value, which may be a bank account or a secret.
MASK = "the value"

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def redacted(body: bytes, secret: Collection[str], sensitive: Collection[str]) -> bytes:
    """The same JSON without secret fields, and with account numbers masked. Numbers keep their spelling's value.

    Raises Malformed where the body is not JSON: then nothing of it travels.
    """
    try:
        return _ENCODER.encode(_clean(_DECODER.decode(body), secret, sensitive))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
        raise Malformed("the reply is not readable JSON") from None


def _clean(value: Any, secret: Collection[str], sensitive: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {
            name: _masked(item) if name in sensitive else _clean(item, secret, sensitive)
            for name, item in value.items()
            if name not in secret and SUSPICIOUS.search(name) is None
        }
    if isinstance(value, list):
        return [_clean(item, secret, sensitive) for item in value]
    return value


def _masked(value: Any) -> str | None:
    return masked(str(value)) if value is not None else None
