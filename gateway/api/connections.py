"""Connections: what each offers, and whether it works."""

from __future__ import annotations

from gateway.api.answers import Capability, Circuits, ConnectionAnswer, ConnectionList, Health, json_answer
from gateway.api.context import gateway_of
from gateway.api.endpoint import caller_of, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.payouts import NoParameters
from gateway.api.reading import parameters
from gateway.coordination import Kind
from gateway.engine.connection import Connection


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
