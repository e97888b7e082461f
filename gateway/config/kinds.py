"""All kinds of calls that the routes of a config tell from others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeVar

import msgspec

from gateway.config.matching import FIELDS, Ask, Condition, by_caller, by_money, by_payee, spelt
from gateway.config.model import AmountRange, Route
from providers.sdk import Money

T = TypeVar("T")
Asks = tuple[Ask, ...]
ELSEWHERE = "??"  # a country that no condition can name


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls that no condition tells apart: what each table's Ask holds of them, in words, and what else they share.

    `whole`: what all of the same sort are called together ("EUR" for every amount of it).
    """

    label: str
    fields: tuple[dict[str, Any], ...]
    whole: str = ""
    sort: Any = None


Tables = Sequence[Sequence[Route]]
Dimensions = Sequence[tuple[Condition, Sequence[Calls]]]
Labels = tuple[tuple[str, ...], ...]  # for each dimension which calls; none is all


def told_apart(
    tables: Tables, asks: Asks, dimensions: Dimensions, outcome: Callable[[Tables, Asks], T]
) -> list[tuple[Labels, T]]:
    """What becomes of every kind of call that a table of routes tells from others; kinds with one outcome are one.

    `asks`: for each table what all calls have in common. `outcome` gets for each table the routes that match.
    """
    if not dimensions:
        return [((), outcome(tables, asks))]
    (condition, kinds), *others = dimensions
    merged: list[tuple[list[Calls], list[tuple[Labels, T]]]] = []
    for members, left, fuller in _groups(tables, asks, condition, kinds):
        found = told_apart(left, fuller, others, outcome)
        same = next((group for group, each in merged if each == found), None)
        if same is None:
            merged.append((members, found))
        else:
            same += members
    return [((_named(group, kinds), *labels), result) for group, found in merged for labels, result in found]


def _groups(
    tables: Tables, asks: Asks, condition: Condition, kinds: Sequence[Calls]
) -> Iterable[tuple[list[Calls], Tables, Asks]]:
    """Kinds after which the same routes are left: they need to be looked at only once."""
    groups: dict[Any, tuple[list[Calls], Tables, Asks]] = {}
    for kind in kinds:
        fuller = tuple(msgspec.structs.replace(ask, **more) for ask, more in zip(asks, kind.fields, strict=True))
        left: Tables = [
            [route for route in routes if condition(route.when, ask) is None]
            for routes, ask in zip(tables, fuller, strict=True)
        ]
        key = kind.sort, *(tuple(map(id, routes)) for routes in left)
        groups.setdefault(key, ([], left, fuller))[0].append(kind)
    return groups.values()


def _named(members: Sequence[Calls], kinds: Sequence[Calls]) -> tuple[str, ...]:
    """The members' names, none where they are all; where all of one sort are among them, their common one."""
    if len(members) == len(kinds):
        return ()
    names: dict[str, None] = {}
    for item in (kind for kind in kinds if kind in members):
        together = item.whole and all(kind in members for kind in kinds if kind.whole == item.whole)
        names[item.whole if together else item.label] = None
    return tuple(names)


def kinds_of_payouts(tables: Tables, currencies: Iterable[str | None], apart: bool = False) -> Dimensions:
    """Amounts and payees that the routes tell apart. `apart`: so may connections, each currency from the others."""
    routes = [route for table in tables for route in table]
    money = [replace(calls, sort=calls.whole if apart else None) for calls in _payouts(routes, currencies, len(tables))]
    return [(by_money, money), (by_payee, _payees(routes, len(tables)))]


def _payouts(routes: Iterable[Route], currencies: Iterable[str | None], copies: int) -> list[Calls]:
    """Each currency, cut where a range begins or ends."""
    when = [route.when for route in routes]
    ranges = [item.amount for item in when if item.amount is not None]
    named = {name for item in when for name in item.currency or ()} | {name for name in currencies if name}
    found: list[Calls] = []
    for currency in sorted(named | {item.currency for item in ranges}):
        cuts = {1} | {item.at_least for item in ranges if item.currency == currency and item.at_least > 1}
        cuts |= {item.at_most + 1 for item in ranges if item.currency == currency and item.at_most is not None}
        found += _amounts(currency, sorted(cuts), copies)
    return [*found, Calls("other currencies", ({"amount": Money("XXX", 1)},) * copies)]


def _amounts(currency: str, cuts: Sequence[int], copies: int) -> Iterator[Calls]:
    for first, after in zip(cuts, [*cuts[1:], None], strict=True):
        last = None if after is None else after - 1
        label = currency if len(cuts) == 1 else spelt(AmountRange(currency, first, last))
        yield Calls(label, ({"amount": Money(currency, first)},) * copies, whole=currency)


def _payees(routes: Iterable[Route], copies: int) -> list[Calls]:
    """Forms of account, and their countries. An account number comes with a sort code, which is British."""
    named = sorted({name for route in routes for name in route.when.country or ()} | {"GB"})
    ibans = [Calls(f"IBANs of {name}", ({"country": name, "account": "iban"},) * copies, "IBANs") for name in named]
    others = Calls("IBANs of other countries", ({"country": ELSEWHERE, "account": "iban"},) * copies, "IBANs")
    return [*ibans, others, Calls("account numbers", ({"country": "GB", "account": "account_number"},) * copies)]


def _callers(routes: Iterable[Route]) -> list[Calls]:
    """Tenants and tags. A route asks for one of its tags, so that one at a time is enough."""
    when = [route.when for route in routes]
    tenants = [*sorted({name for item in when for name in item.tenant or ()}), ""]
    tags = [(), *((name,) for name in sorted({name for item in when for name in item.tags or ()}))]
    return [Calls(tenant, ({"tenant": tenant, "tags": frozenset(some)},)) for tenant, some in product(tenants, tags)]


def kinds_of_creates(routes: Sequence[Route]) -> Dimensions:
    """All that the routes can tell new payouts apart by, whoever asks."""
    return [*kinds_of_payouts([routes], ()), (by_caller, _callers(routes))]


def some_call(
    matching: Sequence[Route], missed: Sequence[Route], dimensions: Dimensions, ask: Ask | None = None
) -> bool:
    """Whether there is a call that matches all of the first routes and none of the others."""
    ask = ask or Ask(operation="create")
    if not dimensions:
        return not missed
    (condition, kinds), *others = dimensions
    groups = {}
    for kind in kinds:
        fuller = msgspec.structs.replace(ask, **kind.fields[0])
        if all(condition(route.when, fuller) is None for route in matching):
            left = [route for route in missed if condition(route.when, fuller) is None]
            groups[tuple(route.name for route in left)] = left, fuller
    # The fewer are left to miss, the sooner a call is found. One that has no more conditions cannot be missed.
    promising = sorted(groups.values(), key=lambda group: len(group[0]))
    return any(
        some_call(matching, left, others, fuller)
        for left, fuller in promising
        if not any(_is_free(route, others) for route in left)
    )


def _is_free(route: Route, dimensions: Dimensions) -> bool:
    fields = (name for condition, _ in dimensions for name in FIELDS[condition])
    return all(getattr(route.when, name) is None for name in fields)
