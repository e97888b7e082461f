"""Payouts: create, list, read, mark."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler

from gateway.api.answers import json_answer, payout_answer
from gateway.api.context import addressed, answer_write, gateway_of, write_mark
from gateway.api.endpoint import caller_of, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.problems import ApiError, Fault
from gateway.api.reading import body_of, idempotency_key, parameters
from gateway.api.shapes import PayoutAnswer, PayoutList, WriteAnswer
from gateway.engine.connection import Connection
from gateway.engine.intent import CreateBody
from gateway.engine.listing import Merged, Omitted, created_between, merged
from gateway.store.interface import Transaction
from gateway.store.questions import known_references
from providers.sdk import ListQuery, Mark, Page, Payout, PayoutStatus, UnknownCurrency, exponent

WRITE_PROBLEMS = (
    "malformed_body",
    "invalid_body",
    "invalid_parameter",
    "idempotency_key_invalid",
    "unknown_connection",
    "payout_busy",
    "contradicts_record",
    "conflict",
    "body_too_large",
    "unsupported_media_type",
    "field_refused",
    "idempotency_key_reused",
    "not_offered",
    "over_limit",
    "refused_by_provider",
    "limit_reached",
    "payout_not_found",
    "connection_held",
    "recovering",
    "journal_unavailable",
)


class ListParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`connection` asks one, `route` a route's targets; without either, all that this key may use."""

    connection: str | None = None
    route: str | None = None
    status: tuple[PayoutStatus, ...] = ()
    created_from: date | None = None
    created_to: date | None = None
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None
    allow_partial: bool = False


class NoParameters(msgspec.Struct, frozen=True):
    """None."""


@endpoint(
    "POST",
    "/v1/payouts",
    scope="payouts:write",
    summary="Initiate a payout: money moves",
    body=CreateBody,
    answers={201: WriteAnswer, 200: WriteAnswer, 202: WriteAnswer},
    problems=(*WRITE_PROBLEMS, "duplicate_reference", "no_route"),
    writes=True,
)
async def create_payout(request: ApiRequest) -> Answer:
    key = idempotency_key(request)
    body = await body_of(request, CreateBody)
    refuse_wrong_order(body)
    accepted = await gateway_of(request).writer.create(caller_of(request), key, body)
    return await answer_write(request, accepted, created=True)


def refuse_wrong_order(body: CreateBody, at: str = "") -> None:
    """What the shape alone cannot say. `at`: the pointer of the order. Raises ApiError with every fault."""
    faults = []
    try:
        exponent(body.amount.currency)
    except UnknownCurrency as error:
        faults.append(Fault(f"{at}/amount/currency", str(error)))
    payee = body.payee
    local = (payee.account_number, payee.sort_code)
    if (payee.iban is None) == (local == (None, None)) or (payee.iban is None and None in local):
        faults.append(Fault(f"{at}/payee", "needs one account form: iban, or account_number with sort_code"))
    if payee.iban is not None and not _iban_checks(payee.iban):
        faults.append(Fault(f"{at}/payee/iban", "its check digits are wrong"))
    if faults:
        raise ApiError("invalid_body", errors=faults)


def _iban_checks(iban: str) -> bool:
    """ISO 13616: the number that the turned IBAN spells leaves 1 when divided by 97."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


@endpoint(
    "GET",
    "/v1/payouts",
    scope="payouts:read",
    summary="List payouts of one connection, of a route, or merged over all",
    query=ListParameters,
    answers={200: PayoutList},
    problems=("invalid_parameter", "unknown_connection", "not_offered", "no_route", "provider_failed"),
)
async def list_payouts(request: ApiRequest) -> Answer:
    asked = parameters(request, ListParameters)
    connections, omitted = _asked_connections(request, asked, "list_payouts")
    page, seen_at = await _merged_payouts(request, connections, asked)
    known = await _own_references(request, page.items)
    data = [
        payout_answer(item, payout, seen_at[item.name], "list", known.get(item.name)) for item, payout in page.items
    ]
    return json_answer(PayoutList(data, page.next_cursor, omitted + page.omitted))


async def _own_references(request: ApiRequest, seen: Sequence[tuple[Connection, Payout]]) -> dict[str, dict[str, str]]:
    """Per connection that can create: the provider's form of a reference to the caller's own."""
    wanted: dict[str, list[str]] = {}
    for connection, payout in seen:
        if payout.reference and "create" in connection.offers:
            wanted.setdefault(connection.name, []).append(payout.reference)
    if not wanted:
        return {}
    tenant = caller_of(request).tenant

    def known(tx: Transaction) -> dict[str, dict[str, str]]:
        return {name: known_references(tx, tenant, name, references) for name, references in wanted.items()}

    return await gateway_of(request).store.read(known)


def _asked_connections(
    request: ApiRequest, asked: ListParameters, capability: str
) -> tuple[list[Connection], list[Omitted]]:
    """Whom to ask, and who is left out because he cannot answer completely. Asked alone, that is a problem."""
    router, caller = gateway_of(request).router, caller_of(request)
    if asked.connection is not None:
        alone = router.one(caller, capability, asked.connection)
        missing = incomplete(alone, asked)
        if missing and not asked.allow_partial:
            raise ApiError("not_offered", f"{alone.name} {missing}")
        return [alone], [Omitted(alone.name, missing)] if missing else []
    asking, omitted = [], []
    for connection in router.many(caller, capability, asked.route):
        missing = incomplete(connection, asked) if capability in connection.offers else f"does not offer {capability}"
        if missing:
            omitted.append(Omitted(connection.name, missing))
        if not missing or (asked.allow_partial and capability in connection.offers):
            asking.append(connection)
    return asking, omitted


def incomplete(connection: Connection, asked: ListParameters) -> str | None:
    """Why a connection cannot answer a list completely, or None."""
    provider = connection.provider
    wanted = frozenset(asked.status)
    if provider.unlisted and (not wanted or wanted & (provider.unlisted | {PayoutStatus.UNKNOWN})):
        listed = sorted(set(provider.statuses.values()) - provider.unlisted)
        return f"lists only payouts that are {', '.join(listed)}; ask for those statuses"
    if asked.reference is not None and not provider.keeps_references:
        return "keeps no references"
    return None


async def _merged_payouts(
    request: ApiRequest, connections: list[Connection], asked: ListParameters
) -> tuple[Merged[Payout], dict[str, int]]:
    """A page, and when each connection gave its part (milliseconds of the epoch)."""
    seen_at: dict[str, int] = {}
    tenant, wanted = caller_of(request).tenant, frozenset(asked.status)
    references = {
        item.name: item.provider.reference(tenant, asked.reference) if asked.reference else None for item in connections
    }
    native = frozenset(value for value in references.values() if value)

    async def fetch(connection: Connection, query: ListQuery) -> Page[Payout]:
        provider = connection.provider
        if wanted and not provider.words(wanted) and PayoutStatus.UNKNOWN not in wanted:
            return Page([])
        own = msgspec.structs.replace(query, reference=references[connection.name])
        kept = await connection.read_for_caller(provider.list_payouts(own), Page[Payout])
        seen_at[connection.name] = min(kept.at, seen_at.get(connection.name, kept.at))
        return kept.value

    def keep(payout: Payout) -> bool:
        return (
            (not wanted or payout.status in wanted)
            and (not native or payout.reference in native)
            and created_between(payout.created_at, asked.created_from, asked.created_to)
        )

    query = ListQuery(
        statuses=wanted,
        created_from=asked.created_from,
        created_to=asked.created_to,
        reference=asked.reference,
        limit=asked.limit,
    )
    return await merged(connections, query, asked.cursor, fetch, keep, asked.allow_partial), seen_at


@endpoint(
    "GET",
    "/v1/payouts/{id}",
    scope="payouts:read",
    summary="One payout, as its provider shows it now",
    query=NoParameters,
    answers={200: PayoutAnswer},
    problems=(
        "invalid_parameter",
        "payout_not_found",
        "unknown_connection",
        "field_refused",
        "not_offered",
        "provider_failed",
    ),
)
async def get_payout(request: ApiRequest) -> Answer:
    parameters(request, NoParameters)
    connection, native = addressed(request, request.path_params["id"])
    seen = await gateway_of(request).reader.payout(connection, native, for_caller=True)
    known = await _own_references(request, [(connection, seen.payout)])
    return json_answer(payout_answer(connection, seen.payout, seen.at, seen.source, known.get(connection.name)))


def _mark(action: str, scope: str, summary: str) -> HTTPRouteHandler:
    path = f"/v1/payouts/{{id}}/{action}"

    async def mark(request: ApiRequest) -> Answer:
        return await write_mark(request, action, "payout", path)

    mark.__name__ = f"{action}_payout"
    return endpoint(
        "POST",
        path,
        scope=scope,
        summary=summary,
        body=Mark,
        body_optional=True,
        answers={200: WriteAnswer, 202: WriteAnswer},
        problems=WRITE_PROBLEMS,
        writes=True,
    )(mark)


HANDLERS = [
    create_payout,
    list_payouts,
    get_payout,
    _mark("approve", "payouts:approve", "Approve a payout for execution"),
    _mark("process", "payouts:write", "Mark a payout as processing"),
    _mark("complete", "payouts:write", "Mark a payout as paid"),
    _mark("fail", "payouts:write", "Mark a payout as failed"),
    _mark("reopen", "payouts:approve", "Set a payout back to pending"),
]
