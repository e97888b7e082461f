"""Which connections a call may go to, by the config alone. Pure: `diff`, `replay` and `explain` ask the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

from gateway.config import AmountRange, Config, Route, When
from gateway.engine.errors import NotOffered
from gateway.engine.intent import CreateBody
from gateway.keys import Caller
from gateway.operation import Candidate, Routing
from gateway.plugins import installed
from providers.sdk import Effect, FieldRefused, Money, PayeeAccount

# The calls that pick a connection by themselves.
READS = ("list_payouts", "stats", "export", "list_requests")
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


def ask_of(caller: Caller, operation: str, body: CreateBody | None = None) -> Ask:
    if body is None:
        return Ask(operation=operation, tenant=caller.tenant, tags=caller.tags)
    return Ask(
        operation=operation,
        tenant=caller.tenant,
        tags=caller.tags,
        amount=body.amount,
        country=country_of(body.payee),
        account="iban" if body.payee.iban else "account_number",
        payee=account_of(body.payee),
    )


def country_of(payee: PayeeAccount) -> str | None:
    """Where the account is: an IBAN says it, and sort codes are British."""
    if payee.iban:
        return payee.iban[:2]
    return "GB" if payee.sort_code else None


def account_of(payee: PayeeAccount) -> str:
    """The account itself, whatever its holder is called."""
    return payee.iban or f"{payee.sort_code}/{payee.account_number}"


def place(config: Config, caller: Caller, ask: Ask) -> Routing:
    """Where a call goes that names no connection. Nothing is `taken` where nobody takes it."""
    for route in config.routes:
        if mismatch(route.when, ask) is None:
            return _by_route(config, route, caller, ask)
    return Routing(rule="no route matches")


def place_at(config: Config, name: str, ask: Ask) -> Routing:
    """Where a call goes that names its connection: there, or nowhere."""
    error = obstacle(config, name, ask)
    if error is not None:
        return Routing(candidates=(Candidate(name, "dropped", str(error)),))
    taken = Routing(chosen=name, candidates=(Candidate(name, "taken", "the call names it"),))
    return _without_closed(config, taken, ask.operation)


def mismatch(when: When, ask: Ask) -> str | None:
    """Why a route does not apply to a call, or None. Tells no caller of other tenants."""
    currency = ask.amount.currency if ask.amount else None
    asked = (
        ("operation", when.operation, ask.operation),
        ("currency", when.currency, currency),
        ("payee country", when.country, ask.country),
        ("account", when.account, ask.account),
    )
    for name, wanted, given in asked:
        if wanted is not None and given not in wanted:
            return f"its {name} is {' or '.join(wanted)}, this one's {given or 'not known'}"
    if when.amount is not None and not _within(when.amount, ask.amount):
        return f"its amount is {spelt(when.amount)}"
    if when.tenant is not None and ask.tenant not in when.tenant:
        return "it is for other tenants"
    if when.tags is not None and not ask.tags & set(when.tags):
        return "it is for keys with other tags"
    return None


def _within(wanted: AmountRange, amount: Money | None) -> bool:
    if amount is None or amount.currency != wanted.currency:
        return False
    return wanted.at_least <= amount.minor_units and (wanted.at_most is None or amount.minor_units <= wanted.at_most)


def spelt(wanted: AmountRange) -> str:
    most = "" if wanted.at_most is None else f" to {Money(wanted.currency, wanted.at_most).decimal()}"
    least = Money(wanted.currency, wanted.at_least).decimal()
    return f"{wanted.currency} {least}{most or ' or more'}"


def _by_route(config: Config, route: Route, caller: Caller, ask: Ask) -> Routing:
    usable = [name for name in route.connections if caller.may_use(name)]
    refused = {name: str(error) for name in usable if (error := obstacle(config, name, ask)) is not None}
    first = _first(route, [name for name in route.targets if name in usable and name not in refused], ask.payee)
    spare = [name for name in route.fallback if name in usable and name not in refused and name != first]
    order = [first, *spare] if first else []
    others = [name for name in usable if name not in order]
    ordered = [Candidate(name, "taken" if name == first else "reserve", _why(route, name)) for name in order]
    dropped = [Candidate(name, "dropped", refused.get(name) or _passed_over(route, name, first)) for name in others]
    routing = Routing(
        route=route.name,
        rule=f"route {route.name} is the first that matches",
        chosen=first,
        candidates=(*ordered, *dropped),
    )
    return _without_closed(config, routing, ask.operation)


def _first(route: Route, able: Sequence[str], payee: str | None) -> str | None:
    weights = {name: weight for name, weight in route.weights.items() if name in able and weight > 0}
    if weights and payee is not None:
        return by_weight(weights, payee)
    return next(iter(able), None)


def by_weight(weights: Mapping[str, int], payee: str) -> str:
    """One of the names. The same payee gets the same one as long as names and weights stay."""
    digest = hashlib.sha256(payee.encode()).digest()
    point = int.from_bytes(digest[:8]) * sum(weights.values()) >> 64
    for name, weight in sorted(weights.items()):
        point -= weight
        if point < 0:
            return name
    raise ValueError("weights must be more than nothing")


def obstacle(config: Config, name: str, ask: Ask) -> NotOffered | FieldRefused | None:
    """Why a connection can never take such a call."""
    connection = config.connections[name]
    offers = _offers(connection.provider)
    if ask.operation not in offers:
        return NotOffered(ask.operation, name, offers)
    if ask.amount and connection.currency and connection.currency != ask.amount.currency:
        return FieldRefused("/amount/currency", f"{name} pays in {connection.currency}")
    return None


@cache
def _offers(provider: str) -> Mapping[str, tuple[Effect, str]]:
    return installed()[provider].offers()


def _why(route: Route, name: str) -> str:
    if name not in route.targets:
        return "fallback"
    return f"its weight is {_share(route, name)}" if route.weights else "first in order"


def _passed_over(route: Route, name: str, first: str | None) -> str:
    if first is None:
        return "a fallback only stands in for a target that could take the call"
    return f"its weight is {_share(route, name)}, and this payee is not in it" if route.weights else f"after {first}"


def _share(route: Route, name: str) -> str:
    return f"{route.weights[name]} of {sum(route.weights.values())}"


def closed(state: str, name: str, operation: str) -> str | None:
    """Why a connection in this state takes no such write, or None."""
    if state == "paused" and operation not in READS:
        return f"{name} is paused: it takes no writes"
    if state == "draining" and operation == "create":
        return f"{name} is draining: it takes no new payouts"
    return None


def _without_closed(config: Config, routing: Routing, operation: str) -> Routing:
    for item in routing.candidates:
        why = closed(config.connections[item.connection].state, item.connection, operation)
        if why is not None and item.verdict != "dropped":
            routing = routing.dropped(item.connection, why)
    return routing
