"""Reading a provider's answer by data alone, exactly: numbers keep their spelling, and no code of a plugin is used."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from iso4217 import raw_table

# By hand, so that a fault in the product's table shows. All others have two digits.
DIGITS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
        ),
        0,
    ),
    "XPF": 0,
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
NO_MONEY = frozenset({"XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"})
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,15})(?:\.([0-9]{1,6}))?", re.ASCII)
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)


class Unreadable(Exception):
    """The documents allow no reading of this answer: a plugin must refuse it."""


class Spelt(str):
    """A JSON number with a point or an exponent, as it is spelt."""

    __slots__ = ()


def load_json(body: bytes) -> Any:
    """Raises Unreadable. Numbers keep their spelling; NaN is no JSON, and half a character is no text."""
    try:
        value = json.loads(body.decode(), parse_float=Spelt, parse_int=_integer, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # both Unicode errors are ValueErrors
        raise Unreadable("not JSON") from None
    return value


def _integer(spelt: str) -> int | Spelt:
    return int(spelt) if len(spelt) < 40 else Spelt(spelt)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def at(value: Any, pointer: str) -> Any:
    """What a JSON pointer leads to; None where it leads nowhere."""
    for part in pointer.split("/")[1:]:
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def pointers(entry: str | Sequence[str]) -> list[str]:
    return [entry] if isinstance(entry, str) else list(entry)


def whole(value: Any) -> int:
    """A JSON integer, also when it is spelt 42.0. Raises Unreadable."""
    text = value.partition(".")[0] if isinstance(value, Spelt) and not value.partition(".")[2].strip("0") else value
    if isinstance(text, bool) or _WHOLE.fullmatch(str(text)) is None:
        raise Unreadable("no whole number")
    return int(text)


def text(value: Any) -> str | None:
    if value is not None and (isinstance(value, Spelt) or not isinstance(value, str)):
        raise Unreadable("no text")
    return None if value is None else str(value)


def name(value: Any) -> str | None:
    """An id, as text."""
    return value if value is None or is_text(value) else str(whole(value))


def is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Spelt)


def is_currency(code: Any) -> bool:
    return is_text(code) and code in raw_table and code not in NO_MONEY


def minor_units(decimal: Any, currency: str) -> int:
    """Raises Unreadable for a float's spelling and for an amount that is finer than its currency."""
    digits = DIGITS.get(currency, 2)
    match = _NUMBER.fullmatch(str(decimal))
    if match is None or isinstance(decimal, bool) or (match[1] or "")[digits:].strip("0"):
        raise Unreadable("no exact amount")
    return int(Decimal(str(decimal)).scaleb(digits))


def is_extreme(value: Any) -> bool:
    """Whether a number in it is longer than any amount or id, or spelt with an exponent: a plugin may refuse it."""
    if isinstance(value, Mapping):
        return any(map(is_extreme, value.values()))
    if isinstance(value, list):
        return any(map(is_extreme, value))
    if isinstance(value, Spelt):
        return _NUMBER.fullmatch(value) is None
    return isinstance(value, int) and abs(value) >= 10**18


def same_number(shown: Any, wanted: Any) -> bool:
    """Whether two spellings mean the same amount."""
    if _NUMBER.fullmatch(str(shown)) is None:
        return bool(shown == wanted)
    return Decimal(str(shown)) == Decimal(str(wanted))
