"""Which of the journal's payouts would have gone elsewhere under another config. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.config import Config
from gateway.engine.diffing import caller_named
from gateway.engine.intent import CreateBody
from gateway.engine.routes import ask_of, place, place_at
from gateway.operation import Operation, Routing


class Elsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """One payout that another config would have sent elsewhere; `after` says why where it would be refused."""

    operation: str
    created_at: int
    amount: str
    reference: str | None
    route: str | None
    before: str
    after: str


def replayed(operations: Iterable[Operation], config: Config) -> list[Elsewhere]:
    """What the config's own choice would have been, for those whose choice was another."""
    found = []
    for operation in operations:
        routing, after = _again(operation, config)
        before = operation.routing.chosen or operation.connection
        if after != before:
            found.append(_elsewhere(operation, routing, before, after))
    return found


def _again(operation: Operation, config: Config) -> tuple[Routing, str]:
    caller = caller_named(config, operation.maker)
    if caller is None:
        return Routing(), f"refused: there is no key {operation.maker}"
    body = msgspec.json.decode(operation.request, type=CreateBody)
    ask = ask_of(caller, "create", body)
    if body.connection is None:
        routing = place(config, caller, ask)
    elif body.connection in config.connections:
        routing = place_at(config, body.connection, ask)
    else:
        return Routing(), f"refused: there is no connection {body.connection}"
    why = routing.candidates[0].why if routing.candidates else routing.rule
    return routing, routing.taken or f"refused: {why}"


def _elsewhere(operation: Operation, routing: Routing, before: str, after: str) -> Elsewhere:
    amount = operation.amount
    return Elsewhere(
        operation=operation.id,
        created_at=operation.created_at,
        amount=f"{amount.decimal()} {amount.currency}" if amount else "",
        reference=operation.reference,
        route=routing.route,
        before=before,
        after=after,
    )
