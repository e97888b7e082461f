"""Payout requests: an affiliate's ask to be paid. Their ids are a space of their own."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from gateway.api.answers import json_answer, request_answer
from gateway.api.context import gateway_of, write_mark
from gateway.api.endpoint import caller_of, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.payouts import WRITE_PROBLEMS
from gateway.api.reading import parameters
from gateway.api.shapes import PayoutRequestList, WriteAnswer
from gateway.engine.connection import Connection
from gateway.engine.listing import Omitted, merged
from providers.sdk import ListQuery, Mark, Page, PayoutRequest, RequestStatus


class RequestParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`connection` asks one, `route` a route's targets; without either, all that this key may use."""

    connection: str | None = None
    route: str | None = None
    status: tuple[RequestStatus, ...] = ()
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None
    allow_partial: bool = False


@endpoint(
    "GET",
    "/v1/payout-requests",
    scope="payouts:read",
    summary="List payout requests",
    query=RequestParameters,
    answers={200: PayoutRequestList},
    problems=("invalid_parameter", "unknown_connection", "not_offered", "no_route", "provider_failed"),
)
async def list_payout_requests(request: ApiRequest) -> Answer:
    asked = parameters(request, RequestParameters)
    router, caller = gateway_of(request).router, caller_of(request)
    if asked.connection is not None:
        targets = [router.one(caller, "list_requests", asked.connection)]
    else:
        targets = router.many(caller, "list_requests", asked.route)
    offering = [item for item in targets if "list_requests" in item.offers]
    wanted = frozenset(asked.status)

    async def fetch(connection: Connection, query: ListQuery) -> Page[PayoutRequest]:
        return await connection.read(connection.provider.list_requests(query))

    def keep(item: PayoutRequest) -> bool:
        return not wanted or item.status in wanted

    query = ListQuery(limit=asked.limit)
    name = f"payout-requests {sorted(wanted)}"
    page = await merged(offering, query, asked.cursor, fetch, keep, asked.allow_partial, name)
    data = [request_answer(connection, item) for connection, item in page.items]
    lacking = [Omitted(item.name, "does not offer list_requests") for item in targets if item not in offering]
    return json_answer(PayoutRequestList(data, page.next_cursor, lacking + page.omitted))


def _decision(verb: str, summary: str) -> HTTPRouteHandler:
    path = f"/v1/payout-requests/{{id}}/{verb}"

    async def decide(request: ApiRequest) -> Answer:
        return await write_mark(request, f"{verb}_request", "payout_request", path)

    decide.__name__ = f"{verb}_payout_request"
    return endpoint(
        "POST",
        path,
        scope="payouts:approve",
        summary=summary,
        body=Mark,
        body_optional=True,
        answers={200: WriteAnswer, 202: WriteAnswer},
        problems=WRITE_PROBLEMS,
        writes=True,
    )(decide)


HANDLERS = [
    list_payout_requests,
    _decision("approve", "Approve a payout request"),
    _decision("reject", "Reject a payout request"),
]
