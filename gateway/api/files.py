"""Figures and files: what a provider counts, its CSV export, a payout's PDF statement."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import ASGIApp

from gateway.api.answers import json_answer
from gateway.api.context import addressed, gateway_of
from gateway.api.endpoint import caller_of, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.payouts import NoParameters
from gateway.api.reading import parameters
from gateway.api.shapes import FiguresAnswer
from gateway.engine.connection import Connection
from providers.sdk import Call

READ_PROBLEMS = ("invalid_parameter", "unknown_connection", "not_offered", "no_route", "provider_failed")


class WhichConnection(msgspec.Struct, frozen=True):
    """The connection, or a route to it. Neither is needed where only one connection offers the call."""

    connection: str | None = None
    route: str | None = None


def _chosen(request: ApiRequest, capability: str) -> Connection:
    asked = parameters(request, WhichConnection)
    return gateway_of(request).router.one(caller_of(request), capability, asked.connection, asked.route)


async def streamed(connection: Connection, call: Call[Any], name: str) -> ASGIApp:
    """A provider's file, passed on as it comes. Their headers do not travel, only the type that we asked for."""
    file = await connection.open(call)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return ASGIStreamingResponse(iterator=file.chunks, media_type=call.accept, headers=headers)


@endpoint(
    "GET",
    "/v1/payouts/stats",
    scope="payouts:read",
    summary="A connection's figures",
    query=WhichConnection,
    answers={200: FiguresAnswer},
    problems=READ_PROBLEMS,
)
async def get_stats(request: ApiRequest) -> Answer:
    connection = _chosen(request, "stats")
    figures = await connection.read(connection.provider.stats())
    shown = msgspec.structs.asdict(figures)
    return json_answer(FiguresAnswer(connection=connection.name, provider=connection.provider.name, **shown))


@endpoint(
    "GET",
    "/v1/payouts/export",
    scope="payouts:read",
    summary="A connection's payouts as CSV, in its provider's own columns",
    query=WhichConnection,
    answers={200: bytes},
    media="text/csv",
    problems=READ_PROBLEMS,
)
async def export_payouts(request: ApiRequest) -> ASGIApp:
    connection = _chosen(request, "export")
    return await streamed(connection, connection.provider.export(), f"{connection.name}-payouts.csv")


@endpoint(
    "GET",
    "/v1/payouts/{id}/statement",
    scope="payouts:read",
    summary="A payout's statement as PDF",
    query=NoParameters,
    answers={200: bytes},
    media="application/pdf",
    problems=(
        "invalid_parameter",
        "payout_not_found",
        "unknown_connection",
        "field_refused",
        "not_offered",
        "provider_failed",
    ),
)
async def get_statement(request: ApiRequest) -> ASGIApp:
    parameters(request, NoParameters)
    connection, native = addressed(request, request.path_params["id"])
    connection.require("statement")
    return await streamed(connection, connection.provider.statement(native), f"{connection.name}-{native}.pdf")


HANDLERS = [get_stats, export_payouts, get_statement]
