"""Which routes match which calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gateway.config.model import AmountRange, Route, When
from providers.sdk import Money, UnknownCurrency

READS = ("list_payouts", "stats", "export", "list_requests")
# The calls that pick a connection by themselves.
ROUTED = ("create", *READS)


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
    return next((why for condition in FIELDS if (why := condition(when, ask)) is not None), None)


def by_operation(when: When, ask: Ask) -> str | None:
    return _other("operation", when.operation, ask.operation)


def by_money(when: When, ask: Ask) -> str | None:
    why = _other("currency", when.currency, ask.amount.currency if ask.amount else None)
    if why is None and when.amount is not None and not _within(when.amount, ask.amount):
        return f"it is for {spelt(when.amount)}"
    return why


def by_payee(when: When, ask: Ask) -> str | None:
    return _other("payee's country", when.country, ask.country) or _other("account", when.account, ask.account)


def by_caller(when: When, ask: Ask) -> str | None:
    if when.tenant is not None and ask.tenant not in when.tenant:
        return "it is for other tenants"
    if when.tags is not None and not ask.tags & set(when.tags):
        return "it is for keys with other tags"
    return None


# Each condition with the fields of `when` that it looks at.
FIELDS: dict[Condition, tuple[str, ...]] = {
    by_operation: ("operation",),
    by_money: ("currency", "amount"),
    by_payee: ("country", "account"),
    by_caller: ("tenant", "tags"),
}


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


def taken_by(routes: Sequence[Route], ask: Ask) -> list[Route]:
    """The routes that may take a call of this operation and caller, whatever its amount and payee."""
    return [route for route in routes if by_operation(route.when, ask) is None and by_caller(route.when, ask) is None]
