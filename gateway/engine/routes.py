"""Which connections a call may go to, by the config alone. Pure: `diff`, `replay` and `explain` ask the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.config import READS, Ask, Config, Route, mismatch
from gateway.engine.errors import NotOffered
from gateway.engine.intent import CreateBody
from gateway.keys import Caller
from gateway.operation import Candidate, Routing
from gateway.plugins import offers
from providers.sdk import FieldRefused, PayeeAccount


class Ways(msgspec.Struct, frozen=True):
    """How calls of one sort go by a route, by the target that takes them. Without weights the first target does."""

    routings: dict[str | None, Routing]
    weights: dict[str, int]

    def of(self, payee: str | None) -> Routing:
        """The way of a payee. A call that has none goes to the first target."""
        if self.weights and payee is not None:
            return self.routings[by_weight(self.weights, payee)]
        return next(iter(self.routings.values()))

    def shares(self) -> list[tuple[int, Routing]]:
        """All ways, whoever the payee is, each with its weight."""
        if self.weights:
            return [(weight, self.routings[first]) for first, weight in self.weights.items()]
        return [(1, self.of(None))]


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


def ways(config: Config, route: Route, caller: Caller, ask: Ask) -> Ways:
    """All ways by a route. Of the call only the operation and the currency count, of the caller what it may use."""
    able = _able(config, route, caller, ask)
    firsts: Sequence[str | None] = able or [None]
    routings = {first: _routed(config, route, caller, ask, first) for first in firsts}
    return Ways(routings, {name: weight for name, weight in route.weights.items() if name in able and weight > 0})


def place(config: Config, caller: Caller, ask: Ask, by: Callable[[Config, Route, Caller, Ask], Ways] = ways) -> Routing:
    """Where a call goes that names no connection. Nothing is `taken` where nobody takes it.

    `by` finds the ways of the route that matches.
    """
    for route in config.routes:
        if mismatch(route.when, ask) is None:
            return by(config, route, caller, ask).of(ask.payee)
    return Routing(rule="no route matches")


def place_at(config: Config, name: str, ask: Ask) -> Routing:
    """Where a call goes that names its connection: there, or nowhere."""
    error = obstacle(config, name, ask)
    if error is not None:
        return Routing(candidates=(Candidate(name, "dropped", str(error)),))
    return _open(config, Routing(candidates=(Candidate(name, "taken", "the call names it"),)), ask.operation)


def _able(config: Config, route: Route, caller: Caller, ask: Ask) -> list[str]:
    """The targets that could take a call like this, whatever their state."""
    return [name for name in route.targets if caller.may_use(name) and obstacle(config, name, ask) is None]


def _routed(config: Config, route: Route, caller: Caller, ask: Ask, first: str | None) -> Routing:
    usable = [name for name in route.connections if caller.may_use(name)]
    refused = {name: str(error) for name in usable if (error := obstacle(config, name, ask)) is not None}
    spare = [name for name in route.fallback if name in usable and name not in refused and name != first]
    order = [first, *spare] if first else []
    others = [name for name in usable if name not in order and (first or name in refused)]
    ordered = [
        Candidate(name, "taken", _why(route, name)) if name == first else Candidate(name, "reserve", "fallback")
        for name in order
    ]
    dropped = [Candidate(name, "dropped", refused.get(name) or _passed_over(route, name, first)) for name in others]
    rule = f"route {route.name} is the first that matches"
    routing = Routing(route=route.name, rule=rule, candidates=(*ordered, *dropped))
    return _open(config, routing, ask.operation)


def _open(config: Config, routing: Routing, operation: str) -> Routing:
    """Without the candidates whose state closes them to such a call."""
    for item in routing.candidates:
        why = closed(config.connections[item.connection].state, item.connection, operation)
        if why is not None and item.verdict != "dropped":
            routing = routing.dropped(item.connection, why)
    return msgspec.structs.replace(routing, chosen=routing.taken)


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
    offered = offers(connection.provider)
    if ask.operation not in offered:
        return NotOffered(ask.operation, name, offered)
    if ask.amount and connection.currency and connection.currency != ask.amount.currency:
        return FieldRefused("/amount/currency", f"{name} pays in {connection.currency}")
    return None


def _why(route: Route, name: str) -> str:
    return f"its weight is {_share(route, name)}" if route.weights else "first in order"


def _passed_over(route: Route, name: str, first: str | None) -> str:
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
