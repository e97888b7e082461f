"""Amounts in the encoding of a mapping: exact ones in currencies of every number of digits, and what is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from contracts.cases.changes import Path, replaced
from contracts.cases.spelling import Number
from contracts.mapping import Mapping
from contracts.reading import at

_DECIMALS = (
    ("USD", "1250.00"),
    ("USD", "80.5"),
    ("USD", "19.99"),
    ("EUR", "0.07"),
    ("EUR", "0"),
    ("USD", "7"),
    ("USD", "-5.25"),
    ("USD", "9007199254740993.01"),  # no double holds it
    ("JPY", "1000"),
    ("JPY", "50.00"),
    ("KWD", "1.234"),
    ("KWD", "1.2"),
    ("CLF", "1.2345"),
    ("USD", "19.999"),
    ("JPY", "50.5"),
    ("KWD", "1.2345"),
    ("USD", "1e3"),
    ("USD", "1.25e3"),
    ("USD", "1" * 40),
    ("USD", "0." + "1" * 40),
)
_INTEGERS = (
    ("USD", "3000"),
    ("USD", "0"),
    ("EUR", "7"),
    ("USD", "-4250"),
    ("JPY", "4250"),
    ("KWD", "4250"),
    ("USD", "900719925474099301"),
    ("USD", "42.50"),
    ("USD", "1e3"),
    ("USD", "9" * 19),
)
_TEXTS = ("", "ten", "+1", " 1", "1 ", "1\n", "1.", ".5", "1,000", "1_0", "0x10", "\u0661", "--1", "Infinity")
_CURRENCIES = ("CHF", "XAF", "XXX", "ZZZ", "usd", "", "US", "€")


class Amount(NamedTuple):
    """A body with one amount changed. `currency` is the connection's for the case, where the provider names none."""

    label: str
    body: Any
    currency: str | None


def amounts(mapping: Mapping, operation: str, base: Any) -> Iterator[Amount]:
    """The base with each amount in it spelt in every way."""
    money = mapping.raw["money"]
    textual = money["encoding"].endswith("_string")
    for path, currency_path in _places(mapping, operation, base):
        for currency, text in _DECIMALS if money["encoding"].startswith("decimal") else _INTEGERS:
            body = replaced(base, path, text if textual else Number(text))
            yield _in_currency(path, body, currency_path, currency, text)
        for text in _TEXTS:
            yield Amount(
                f"{_named(path)} is the text {text!r}", replaced(base, path, text), mapping.subject.get("currency")
            )
        for currency in _CURRENCIES if currency_path else ():
            body = replaced(base, currency_path, currency)
            yield Amount(f"{_named(currency_path)} is {currency!r}", body, None)


def _in_currency(path: Path, body: Any, currency_path: Path, currency: str, text: str) -> Amount:
    label = f"{_named(path)} is {text[:24]} in {currency}"
    if currency_path:
        return Amount(label, replaced(body, currency_path, currency), None)
    return Amount(label, body, currency)


def _places(mapping: Mapping, operation: str, base: Any) -> Iterator[tuple[Path, Path]]:
    """Where amounts stand in a body, each with the place of its currency; empty where the connection names it."""
    rule, money = mapping.operations[operation], mapping.raw["money"]
    for holder, pointers in _holders(mapping, rule):
        for pointer in pointers:
            path = (*_path(base, holder), *_path({}, pointer))
            if holder is not None and _reaches(base, path):
                named = (*_path(base, holder), *_path({}, money["currency"].get("at")))
                yield path, named if "at" in money["currency"] and _reaches(base, named) else ()


def _holders(mapping: Mapping, rule: Any) -> Iterator[tuple[Any, list[str]]]:
    """Each place of a record, and the pointers to amounts inside of it."""
    records = [
        mapping.raw[each]["amount"] for each in ("payout", "payout_request") if "amount" in mapping.raw.get(each, {})
    ]
    yield rule.get("payout_at"), list(dict.fromkeys(records))
    yield rule.get("items_at"), list(dict.fromkeys(records))
    sections = {**mapping.raw.get("figures", {}), **mapping.raw.get("settings", {})}
    fields = ("pending_amount", "completed_this_month", "minimum")
    yield rule.get("data_at"), [sections[field] for field in fields if field in sections]


def _path(base: Any, pointer: str | None) -> Path:
    """A pointer's parts; into a list it goes to the first item."""
    parts: Path = tuple((pointer or "").split("/")[1:])
    return (*parts, 0) if base and isinstance(at(base, pointer or ""), list) else parts


def _reaches(base: Any, path: Path) -> bool:
    for part in path:
        if not isinstance(base, dict | list) or (isinstance(base, dict) and part not in base) or base == []:
            return False
        base = base[part]  # type: ignore[index]
    return True


def _named(path: Path) -> str:
    return "/".join(map(str, path))
