"""Connections: what each offers, and whether it works."""

from __future__ import annotations

import msgspec

from gateway.api.answers import json_answer
from gateway.api.context import gateway_of
from gateway.api.endpoint import caller_of, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.payouts import NoParameters
from gateway.api.reading import parameters
from gateway.coordination import CircuitState, Kind
from gateway.engine.connection import Connection
from providers.sdk import PayoutStatus


class Health(msgspec.Struct, frozen=True):
    """`held`: the provider refused our credentials; no write goes out until a read succeeds again."""

    state: str
    detail: str | None


class Circuits(msgspec.Struct, frozen=True):
    """An open circuit lets nothing pass but a probe now and then: the provider was unreachable, or failed, in a row."""

    read: CircuitState
    write: CircuitState


class Capability(msgspec.Struct, frozen=True):
    """One call that a connection offers. `effect` says what repeating it would do."""

    name: str
    effect: str


class ConnectionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`state` is the config's: a draining one takes no new payouts, a paused one no writes."""

    name: str
    provider: str
    currency: str | None
    state: str
    capabilities: list[Capability]
    statuses: dict[str, PayoutStatus]
    health: Health
    circuits: Circuits


class ConnectionList(msgspec.Struct, frozen=True):
    """`config`: the version of the config that they are of."""

    data: list[ConnectionAnswer]
    config: str


@endpoint(
    "GET",
    "/v1/connections",
    scope="payouts:read",
    summary="Connections, their capabilities and their health",
    query=NoParameters,
    answers={200: ConnectionList},
    problems=("invalid_parameter",),
)
async def get_connections(request: ApiRequest) -> Answer:
    parameters(request, NoParameters)
    caller, gateway = caller_of(request), gateway_of(request)
    usable = [item for name, item in sorted(gateway.connections.items()) if caller.may_use(name)]
    return json_answer(ConnectionList([await _shown(item) for item in usable], gateway.version))


async def _shown(connection: Connection) -> ConnectionAnswer:
    provider = connection.provider
    circuits = await connection.circuits()
    return ConnectionAnswer(
        name=connection.name,
        provider=provider.name,
        currency=provider.account.currency,
        state=connection.state,
        capabilities=[Capability(name, effect) for name, (effect, _) in connection.offers.items()],
        statuses=dict(provider.statuses),
        health=Health("held" if connection.held else "ok", connection.held),
        circuits=Circuits(circuits[Kind.READ], circuits[Kind.WRITE]),
    )


HANDLERS = [get_connections]
