"""The next connection for an operation of which nothing has left."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.engine.connection import Connection
from gateway.engine.intent import call_of, intent_of
from gateway.operation import Operation
from providers.sdk import ProviderError


async def moved_on(
    connections: Mapping[str, Connection], spare: Mapping[str, tuple[str, ...]], operation: Operation, why: str
) -> Operation | None:
    """The operation on the next connection in reserve that takes it now, or None. Nothing is recorded yet.

    `spare`: the fallbacks of each route, by today's config. `why` its present connection is dropped.
    """
    today = spare.get(operation.routing.route or "", ())
    routing = operation.routing.dropped(operation.connection, why)
    while (name := routing.taken) is not None:
        usable = connections if name in today else {}
        moved = await _taken(usable, msgspec.structs.replace(operation, connection=name, routing=routing))
        if isinstance(moved, Operation):
            return moved
        routing = routing.dropped(name, moved)
    return None


async def _taken(connections: Mapping[str, Connection], operation: Operation) -> Operation | str:
    """The operation as its connection would send it, or why it does not take it now."""
    connection = connections.get(operation.connection)
    if connection is None:
        return f"{operation.connection} is no longer a fallback of its route"
    try:
        call = call_of(connection.provider, intent_of(operation))
    except ProviderError as error:
        return str(error)
    why = await connection.closed_to(operation.action)
    return why or msgspec.structs.replace(
        operation, effect=call.effect, provider_reference=call.reference, carried=call.carried
    )
