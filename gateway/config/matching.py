"""Which routes match which calls, and all kinds of calls that a config's routes tell apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.config.model import AmountRange, Route, When
from providers.sdk import Money, UnknownCurrency

READS = ("list_payouts", "stats", "export", "list_requests")
# The calls that pick a connection by themselves.
ROUTED = ("create", *READS)
ELSEWHERE = "XX"  # a country that no condition names
OTHER = "any other"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a route can see of a call. `account`: the form of the payee's account; `payee`: what weights stick to."""

    operation: str
    tenant: str = "default"
    tags: frozenset[str] = frozenset()
    amount: Money | None = None
    country: str | None = None
    account: str | None = None
    payee: str | None = None


Condition = Callable[[When, Ask], str | None]


def mismatch(when: When, ask: Ask) -> str | None:
    """Why a route does not apply to a call, or None. Tells no caller of other tenants."""
    return next((why for condition in CONDITIONS if (why := condition(when, ask)) is not None), None)


def _operation(when: When, ask: Ask) -> str | None:
    return _other("operation", when.operation, ask.operation)


def _money(when: When, ask: Ask) -> str | None:
    why = _other("currency", when.currency, ask.amount.currency if ask.amount else None)
    if why is None and when.amount is not None and not _within(when.amount, ask.amount):
        return f"it is for {spelt(when.amount)}"
    return why


def _payee(when: When, ask: Ask) -> str | None:
    return _other("payee's country", when.country, ask.country) or _other("account", when.account, ask.account)


def _caller(when: When, ask: Ask) -> str | None:
    if when.tenant is not None and ask.tenant not in when.tenant:
        return "it is for other tenants"
    if when.tags is not None and not ask.tags & set(when.tags):
        return "it is for keys with other tags"
    return None


CONDITIONS: tuple[Condition, ...] = (_operation, _money, _payee, _caller)


def _other(name: str, wanted: Sequence[str] | None, given: str | None) -> str | None:
    if wanted is None or given in wanted:
        return None
    return f"it is for the {name} {' or '.join(wanted)}, not {given or 'an unknown one'}"


def _within(wanted: AmountRange, amount: Money | None) -> bool:
    if amount is None or amount.currency != wanted.currency:
        return False
    return wanted.at_least <= amount.minor_units and (wanted.at_most is None or amount.minor_units <= wanted.at_most)


def spelt(wanted: AmountRange) -> str:
    """An amount range in words."""
    least = decimal(wanted.currency, wanted.at_least)
    if wanted.at_most is None:
        return f"{wanted.currency} {least} or more"
    return f"{wanted.currency} {least} to {decimal(wanted.currency, wanted.at_most)}"


def decimal(currency: str, minor_units: int) -> str:
    try:
        return Money(currency, minor_units).decimal()
    except UnknownCurrency:
        return str(minor_units)


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls that no condition tells apart: what each table's Ask holds of them, in words, and what else they share.

    `whole`: what all of the same sort are called together ("EUR" for every amount of it).
    """

    label: str
    fields: tuple[dict[str, Any], ...]
    whole: str = ""
    sort: Any = None


@dataclass(frozen=True, slots=True)
class Region:
    """All calls that take the same way. `firsts`: for each table the route that takes them. `labels`: none is all."""

    labels: tuple[tuple[str, ...], ...]
    asks: tuple[Ask, ...]
    firsts: tuple[Route | None, ...]


Tables = Sequence[Sequence[Route]]


def regions(
    tables: Tables, asks: tuple[Ask, ...], dimensions: Sequence[tuple[Condition, Sequence[Calls]]]
) -> Iterator[Region]:
    """Every kind of call that one of the tables of routes tells from others; an Ask for each table to begin with."""
    return _split(tables, asks, dimensions, ())


def _split(
    tables: Tables,
    asks: tuple[Ask, ...],
    dimensions: Sequence[tuple[Condition, Sequence[Calls]]],
    labels: tuple[tuple[str, ...], ...],
) -> Iterator[Region]:
    if not dimensions:
        yield Region(labels, asks, tuple(next(iter(routes), None) for routes in tables))
        return
    (condition, values), *others = dimensions
    groups: dict[Any, tuple[list[Calls], Tables, tuple[Ask, ...]]] = {}
    for value in values:
        fuller = tuple(msgspec.structs.replace(ask, **more) for ask, more in zip(asks, value.fields, strict=True))
        left: Tables = [
            [route for route in routes if condition(route.when, ask) is None]
            for routes, ask in zip(tables, fuller, strict=True)
        ]
        key = str([[id(route) for route in routes] for routes in left]), value.sort
        groups.setdefault(key, ([], left, fuller))[0].append(value)
    for members, left, fuller in groups.values():
        names = () if len(members) == len(values) else _merged(members, values)
        yield from _split(left, fuller, others, (*labels, names))


def _merged(members: Sequence[Calls], values: Sequence[Calls]) -> tuple[str, ...]:
    """The members' names; where all of one sort are among them, their common one."""
    names: dict[str, None] = {}
    for item in members:
        mates = [value for value in values if value.whole and value.whole == item.whole]
        together = bool(mates) and all(value in members for value in mates)
        names[item.whole if together else item.label] = None
    return tuple(names)


def payouts_apart(routes: Iterable[Route], currencies: Iterable[str | None], copies: int = 1) -> list[Calls]:
    """Amounts that conditions tell apart: each currency, cut where a range begins or ends."""
    when = [route.when for route in routes]
    named = {name for item in when for name in item.currency or ()} | {name for name in currencies if name}
    ranges = [item.amount for item in when if item.amount is not None]
    named |= {item.currency for item in ranges}
    found: list[Calls] = []
    for currency in sorted(named):
        cuts = {1} | {item.at_least for item in ranges if item.currency == currency and item.at_least > 1}
        cuts |= {item.at_most + 1 for item in ranges if item.currency == currency and item.at_most is not None}
        found += _amounts(currency, sorted(cuts), copies)
    return [*found, Calls(f"{OTHER} currency", ({"amount": Money("XXX", 1)},) * copies)]


def _amounts(currency: str, cuts: Sequence[int], copies: int) -> Iterator[Calls]:
    for first, after in zip(cuts, [*cuts[1:], None], strict=True):
        last = None if after is None else after - 1
        label = currency if len(cuts) == 1 else spelt(AmountRange(currency, first, last))
        yield Calls(label, ({"amount": Money(currency, first)},) * copies, whole=currency)


def payees_apart(routes: Iterable[Route], copies: int = 1) -> list[Calls]:
    """Accounts that conditions tell apart. An account number comes with a sort code, which is British."""
    named = sorted({name for route in routes for name in route.when.country or ()} | {"GB"})
    ibans = [
        Calls(f"IBAN {country}", ({"country": country, "account": "iban"},) * copies, whole="IBAN") for country in named
    ]
    other = Calls(f"IBAN of {OTHER} country", ({"country": ELSEWHERE, "account": "iban"},) * copies, whole="IBAN")
    local = Calls("account number (GB)", ({"country": "GB", "account": "account_number"},) * copies)
    return [*ibans, other, local]


def callers_apart(routes: Iterable[Route]) -> list[Calls]:
    """Tenants and tags that conditions tell apart. A route asks for one of its tags: one at a time is enough."""
    when = [route.when for route in routes]
    tenants = [*sorted({name for item in when for name in item.tenant or ()}), ""]
    tags = [frozenset({name}) for name in sorted({name for item in when for name in item.tags or ()})]
    return [
        Calls(f"tenant {tenant}", ({"tenant": tenant, "tags": tag},))
        for tenant in tenants
        for tag in (frozenset(), *tags)
    ]


def every_create(routes: Sequence[Route], currencies: Iterable[str | None]) -> Iterator[Region]:
    """Every kind of new payout that the routes tell from others."""
    dimensions = [
        (_money, payouts_apart(routes, currencies)),
        (_payee, payees_apart(routes)),
        (_caller, callers_apart(routes)),
    ]
    asked = Ask(operation="create")
    taking = [route for route in routes if _operation(route.when, asked) is None]
    return regions([taking], (asked,), dimensions)
