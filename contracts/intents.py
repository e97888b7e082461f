"""What callers may ask of a provider, in the words of the unified API: wider than any provider accepts.

First every boundary value, one at a time beside values that most providers take; then mixtures of all, without end.
The same seed gives the same asks for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain, zip_longest
from random import Random
from typing import Any, NamedTuple

from providers.sdk import CAPABILITIES, PayoutStatus

ABSENT = object()
HOME = object()  # the connection's own currency
WILD = 0.08  # how often a field of a mixture holds a value that is likely to be refused
INVENTED = 0.25  # how often it holds one that stands in no list

IBAN = "DE89370400440532013000"


class Ask(NamedTuple):
    """A capability, and its words as nested JSON that nobody has checked. `id` and `ids` are the provider's own."""

    capability: str
    words: Mapping[str, Any]

    def over(self, currency: str | None) -> Ask:
        """The ask as it is put over a connection of this currency."""
        return Ask(self.capability, {name: _at_home(value, currency) for name, value in self.words.items()})


class Pool(NamedTuple):
    """The values of one field. The first mild one is taken by most providers; wild ones by few or none."""

    mild: Sequence[Any]
    wild: Sequence[Any] = ()
    invent: Callable[[Random], Any] | None = None


def _at_home(value: Any, currency: str | None) -> Any:
    if isinstance(value, Mapping):
        return {name: _at_home(each, currency) for name, each in value.items()}
    return currency if value is HOME else value


def _text(letters: str, *lengths: int) -> Callable[[Random], str]:
    return lambda random: "".join(random.choices(letters, k=random.randint(1, random.choice(lengths))))


def _day(random: Random) -> date:
    return date.fromordinal(random.randint(1, date.max.toordinal()))


def _words(random: Random) -> list[PayoutStatus]:
    return random.sample(list(PayoutStatus), random.randint(1, 4))


TEXT = Pool(
    (
        "test-reference-1", "a", " ", "x" * 18, "x" * 19, "x" * 34 + "y", "x" * 34 + "z", "x" * 36, "x" * 255,
        "Größe", "日本", "😀", "e\u0301", "\u202etest", "\u200b", "'; --", "<b>", "%2e%2e", "..", "../42", "a/b",
        "a&b=c", "a+b", "a b", "a?b#c", "a%20b", "null", "0", "true", "{}", '"', "\\",
    ),
    ("", "x" * 256, "a\nb", "a\n", "\x00", "\x7f", 0, True, ["test"]),
    _text("abcXYZ019-_ .:/&%+?#éß日😀'\"", 8, 20, 60, 255),
)  # fmt: skip
OPTIONAL_TEXT = TEXT._replace(mild=(ABSENT, None, *TEXT.mild))
NAME = TEXT._replace(mild=("Test Person One", *TEXT.mild))
DESCRIPTION = Pool(
    ("INV 2026-0415", "abcdeF", "a - a & a / a . a b a", "A1" * 9, "a.b-c&d/e f", " INV2026 "),
    (
        "abcde", "aaaaaaaaaa", "a - a & a / a . a a", "A1" * 9 + "A", "A1" * 70, "A1" * 70 + "A", "INV 2026_0415",
        "Größe 2026", "INV 2026-0415\n", "\u0661\u0662" * 6, "", None, ABSENT,
    ),
    _text("AaBb019 -.&/", 12, 18, 30, 145),
)  # fmt: skip
CURRENCY = Pool(("GBP", "EUR", "USD", "JPY", "KWD", "CLF"), ("XXX", "ZZZ", "eur", "EURO", "", "EUR\n", None))
AT_HOME = Pool((HOME,), (*CURRENCY.mild, *CURRENCY.wild))
UNITS = Pool(
    (1, 2, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 9999, 10000, 1023, 125000, 2**31, 10**15),
    (0, -1, 10**15 + 1, 2**53 + 1, 2**63, 2**64, 10**30, 10.5, 1e3, "1000", True, None, ABSENT),
    lambda random: random.randint(1, 10 ** random.randint(1, 15)),
)
PAYEE = Pool(
    (
        {"account_number": "31926819", "sort_code": "601613"},
        {"iban": IBAN, "verification_id": "test-verification-1"},
        {"iban": "GB29NWBK60161331926819", "bic": "TESTGB2L", "verification_id": "test-verification-2"},
        {"iban": IBAN, "account_number": "31926819", "sort_code": "601613", "bic": "TESTDEFFXXX"},
        {"account_number": "A" * 34, "sort_code": "000000", "verification_id": "x" * 255},
    ),
    (
        {"iban": IBAN},
        {"account_number": "31926819"},
        {"sort_code": "601613"},
        {"bic": "TESTGB2L"},
        {"verification_id": "test-verification-1"},
        {},
        {"iban": "DE89 3704 0044 0532 0130 00"},
        {"iban": IBAN.lower()},
        {"iban": "DE89"},
        {"iban": "DE89" + "A" * 31},
        {"iban": IBAN + "\n"},
        {"iban": ""},
        {"account_number": "3192 6819", "sort_code": "601613"},
        {"account_number": "A" * 35, "sort_code": "601613"},
        {"account_number": "31926819", "sort_code": "60-16-13"},
        {"iban": IBAN, "bic": "testgb2l"},
        {"iban": IBAN, "bic": "TESTGB2"},
        {"iban": IBAN, "verification_id": ""},
        {"iban": IBAN, "swift": "TESTGB2L"},
    ),
)
HOSTILE_IDS = (
    "", ".", "..", "../42", "42/../43", "42/complete", "42%2f43", "%2e%2e", "%2E%2E%2F42", "42?status=completed", "42#",
    "42\n", "42\r\nX: y", "42\x00", " 42", "42 ", "\u0664\u0662", "42;", "4 2", "a.b", "é", "😀", "0", "-1", "042",
    "4.2", "1e3", "0" * 1000, "9" * 18, "9" * 19, "a" * 64, "a" * 65, "a" * 1000, "42", "po_test_0001", "po:Test1:Sim1",
    "po:a/b:c", "po:..:c", "po:a:b:c", "po:" + "a" * 64 + ":" + "b" * 32, "po:" + "a" * 65 + ":b", "stats", "export",
    "requests", "-42/", "\\42", "42\u202e",
)  # fmt: skip
LIST = {
    "status": Pool(
        (ABSENT, *([status] for status in PayoutStatus), ["pending", "processing"], ["pending", "approved"]),
        (["pending", "unknown"], list(PayoutStatus), []),
        _words,
    ),
    "created_from": Pool((ABSENT, date(2026, 11, 20), date(1970, 1, 1), date(2024, 2, 29)), (date.min, date.max), _day),
    "created_to": Pool((ABSENT, date(2026, 11, 20), date(1970, 1, 1), date(2024, 2, 29)), (date.min, date.max), _day),
    "reference": TEXT._replace(mild=(ABSENT, *TEXT.mild), wild=("x" * 5000,)),
    "limit": Pool(
        (50, 1, 2, 24, 25, 26, 99, 100, 101, 199, 200, 201), (10_000,), lambda random: random.randint(1, 300)
    ),
    "cursor": Pool(
        (ABSENT, "1", "2", "7", "9" * 18, "LerV6Jmex", "a b+c%20"),
        ("0", "-1", "01", "1.0", "1e3", "2\n", " 2", "\u0662", "9" * 19, "9" * 30, "2&x=1", "../2", "😀", "x" * 2000),
        lambda random: str(random.randint(1, 10**9)),
    ),
}
ORDER = {
    "reference": TEXT,
    "amount.currency": CURRENCY,
    "amount.minor_units": UNITS,
    "payee": PAYEE,
    "payee.name": NAME,
    "description": DESCRIPTION,
}
SETTINGS = {
    "frequency": TEXT._replace(mild=("monthly", *TEXT.mild)),
    "day": Pool(
        (1, 2, 15, 28, 30, 31), (0, -1, 32, 2**31, 1.5, "1", True, None, ABSENT), lambda random: random.randint(1, 31)
    ),
    "minimum.currency": CURRENCY,
    "minimum.minor_units": UNITS,
    "allow_early_requests": Pool((True, False), (0, "true", None, ABSENT)),
    "auto_create": Pool((True, False), (0, "true", None, ABSENT)),
}
MARK = {"reference": OPTIONAL_TEXT, "notes": OPTIONAL_TEXT, "reason": OPTIONAL_TEXT}


def asks(offered: Sequence[str], ids: Sequence[str], seed: int, *, home: bool) -> Iterator[Ask]:
    """Without end. `offered`: the capabilities to ask much of; `ids`: some that the provider could have given.

    `home`: connections have a currency of their own, and most amounts are in it.
    """
    random = Random(seed)  # noqa: S311  repeatable is what it must be
    tables = {capability: _fields(capability, ids, home) for capability in CAPABILITIES}
    return chain(_boundaries(tables, offered), _mixtures(random, {name: tables[name] for name in offered}))


def _boundaries(tables: Mapping[str, Mapping[str, Pool]], offered: Sequence[str]) -> Iterator[Ask]:
    """The capabilities take turns, so that a few asks already reach each of them."""
    turns = (_bounds(capability, fields, capability in offered) for capability, fields in tables.items())
    for asked in zip_longest(*turns):
        yield from (ask for ask in asked if ask is not None)


def _bounds(capability: str, fields: Mapping[str, Pool], much: bool) -> Iterator[Ask]:
    good = {name: pool.mild[0] for name, pool in fields.items()}
    yield _ask(capability, good)
    if much:
        yield _ask(capability, {name: next(filter(_says_something, pool.mild)) for name, pool in fields.items()})
        for name, pool in fields.items():
            yield from (_ask(capability, {**good, name: value}) for value in (*pool.mild[1:], *pool.wild))


def _says_something(value: Any) -> bool:
    return value is not ABSENT and value is not None


def _mixtures(random: Random, tables: Mapping[str, Mapping[str, Pool]]) -> Iterator[Ask]:
    rich = [capability for capability, fields in tables.items() if fields]
    while rich:
        capability = random.choice(rich)
        yield _ask(capability, {name: _drawn(random, pool) for name, pool in tables[capability].items()})


def _drawn(random: Random, pool: Pool) -> Any:
    kind = random.random()
    if kind < WILD and pool.wild:
        return random.choice(pool.wild)
    if kind > 1 - INVENTED and pool.invent:
        return pool.invent(random)
    return random.choice(pool.mild)


def _fields(capability: str, ids: Sequence[str], home: bool) -> Mapping[str, Pool]:
    match capability:
        case "stats" | "export" | "get_settings":
            return {}
        case "list_payouts" | "list_requests":
            return LIST
        case "create" | "find":
            return {**ORDER, "amount.currency": AT_HOME if home else CURRENCY}
        case "put_settings":
            return {**SETTINGS, "minimum.currency": AT_HOME if home else CURRENCY}
        case "bulk_process" | "bulk_complete":
            return {"ids": _lists(ids), "reference": OPTIONAL_TEXT, "notes": OPTIONAL_TEXT}
        case "get" | "statement":
            return {"id": Pool(ids, HOSTILE_IDS)}
        case _:
            return {"id": Pool(ids, HOSTILE_IDS), **MARK}


def _lists(ids: Sequence[str]) -> Pool:
    many = [[ids[0]], list(ids), [ids[-1], ids[0]], list(ids) * 50]
    return Pool(many, ([], *([ids[0], each] for each in HOSTILE_IDS)))


def _ask(capability: str, given: Mapping[str, Any]) -> Ask:
    words: dict[str, Any] = {}
    for name, value in given.items():
        outer, _, inner = name.partition(".")
        if value is not ABSENT:
            words[outer] = {**words.get(outer, {}), inner: value} if inner else value
    return Ask(capability, words)
