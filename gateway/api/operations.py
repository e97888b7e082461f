"""Operations: what became of the writes of the caller's own tenant. Foreign ones do not exist."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from gateway.api.answers import json_answer, observation_answer, operation_answer, recorded
from gateway.api.context import addressed, gateway_of, known_attempts, shown_payout
from gateway.api.endpoint import caller_of, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.payouts import NoParameters
from gateway.api.problems import ApiError
from gateway.api.reading import body_of, parameters, wait_of
from gateway.api.shapes import History, OperationList, WriteAnswer
from gateway.keys import Caller
from gateway.operation import Attempt, Operation, State
from gateway.store.interface import Transaction
from gateway.store.questions import attempts_of, find, history, list_operations
from providers.sdk import Text


class OperationParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first."""

    state: tuple[State, ...] = ()
    connection: str | None = None
    action: str | None = None
    reference: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, msgspec.Meta(pattern="^op_[0-9a-f]{32}$")] | None = None


@endpoint(
    "GET",
    "/v1/operations",
    scope="payouts:read",
    summary="List operations, newest first",
    query=OperationParameters,
    answers={200: OperationList},
    problems=("invalid_parameter", "journal_unavailable"),
)
async def get_operations(request: ApiRequest) -> Answer:
    asked, caller = parameters(request, OperationParameters), caller_of(request)

    def listed(tx: Transaction) -> list[tuple[Operation, list[Attempt]]]:
        found = [item for name in _connections(caller, asked) for item in _listed(tx, caller.tenant, asked, name)]
        newest = sorted(found, key=lambda item: item.id, reverse=True)[: asked.limit]
        return [(operation, attempts_of(tx, operation.id)) for operation in newest]

    found = await gateway_of(request).store.read(listed)
    data = [operation_answer(operation, attempts) for operation, attempts in found]
    more = data[-1].id if len(data) == asked.limit else None
    return json_answer(OperationList(data, more))


def _connections(caller: Caller, asked: OperationParameters) -> list[str | None]:
    """Whose operations to list; None is all. A key that is bound to connections sees those only."""
    if caller.connections is None:
        return [asked.connection]
    return [name for name in sorted(caller.connections) if asked.connection in (None, name)]


def _listed(tx: Transaction, tenant: str, asked: OperationParameters, connection: str | None) -> list[Operation]:
    return list_operations(
        tx,
        tenant,
        states=asked.state,
        connection=connection,
        action=asked.action,
        reference=asked.reference,
        before=asked.cursor,
        limit=asked.limit,
    )


@endpoint(
    "GET",
    "/v1/operations/{id}",
    scope="payouts:read",
    summary="What became of a write, attempt by attempt",
    query=NoParameters,
    answers={200: WriteAnswer},
    problems=("invalid_parameter", "not_found", "journal_unavailable"),
)
async def get_operation(request: ApiRequest) -> Answer:
    parameters(request, NoParameters)
    return await _decided(request, await _own(request))


class CloseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's verdict, and what it rests on."""

    verdict: Literal["executed", "not_executed"]
    note: Text


class ApproveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fingerprint that the operation shows: what was read is what is approved."""

    fingerprint: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class DenyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, for the maker to read."""

    note: Text | None = None


BODY_PROBLEMS = ("malformed_body", "invalid_body", "unsupported_media_type", "body_too_large")
DECISION_PROBLEMS = (
    "not_found",
    "decision_refused",
    "same_person",
    "provider_failed",
    "recovering",
    "journal_unavailable",
)


async def _own(request: ApiRequest) -> Operation:
    caller, id = caller_of(request), request.path_params["id"]
    operation = await gateway_of(request).store.read(lambda tx: find(tx, caller.tenant, id))
    if operation is None or not caller.may_use(operation.connection):
        raise ApiError("not_found", "there is no such operation")
    return operation


async def _decided(request: ApiRequest, operation: Operation) -> Answer:
    gateway = gateway_of(request)
    shown = operation_answer(operation, await known_attempts(gateway, operation))
    return json_answer(WriteAnswer(operation=shown, payout=shown_payout(gateway, operation)))


@endpoint(
    "POST",
    "/v1/operations/{id}/approve",
    scope="payouts:approve",
    summary="Approve a write that awaits approval; the last approval that is needed sends it",
    body=ApproveBody,
    answers={200: WriteAnswer},
    problems=(*DECISION_PROBLEMS, *BODY_PROBLEMS, "invalid_parameter", "over_limit", "limit_reached"),
)
async def approve_operation(request: ApiRequest) -> Answer:
    body = await body_of(request, ApproveBody)
    operation, gateway = await _own(request), gateway_of(request)
    approved = await gateway.decisions.approve(operation, caller_of(request).name, body.fingerprint)
    settled = await gateway.writer.settle(approved, wait_of(request, gateway.config.wait))
    return await _decided(request, settled.operation)


@endpoint(
    "POST",
    "/v1/operations/{id}/deny",
    scope="payouts:approve",
    summary="Deny a write that awaits approval; it is never sent",
    body=DenyBody,
    body_optional=True,
    answers={200: WriteAnswer},
    problems=(*DECISION_PROBLEMS, *BODY_PROBLEMS),
)
async def deny_operation(request: ApiRequest) -> Answer:
    body = await body_of(request, DenyBody, optional=True)
    operation = await _own(request)
    return await _decided(
        request, await gateway_of(request).decisions.deny(operation, caller_of(request).name, body.note)
    )


@endpoint(
    "POST",
    "/v1/operations/{id}/cancel",
    scope="payouts:write",
    summary="Cancel a write that was never sent",
    answers={200: WriteAnswer},
    problems=DECISION_PROBLEMS,
)
async def cancel_operation(request: ApiRequest) -> Answer:
    operation = await _own(request)
    done = await gateway_of(request).decisions.cancel(operation, caller_of(request).name)
    return await _decided(request, done)


@endpoint(
    "POST",
    "/v1/operations/{id}/release",
    scope="payouts:approve",
    summary="Send a write that needs review once more, after a fresh look-up that finds nothing",
    answers={200: WriteAnswer},
    problems=DECISION_PROBLEMS,
)
async def release_operation(request: ApiRequest) -> Answer:
    operation = await _own(request)
    done = await gateway_of(request).decisions.release(operation, caller_of(request).name)
    return await _decided(request, done)


@endpoint(
    "POST",
    "/v1/operations/{id}/close",
    scope="payouts:approve",
    summary="End the waiting with a person's verdict; watching goes on",
    body=CloseBody,
    answers={200: WriteAnswer},
    problems=(*DECISION_PROBLEMS, *BODY_PROBLEMS),
)
async def close_operation(request: ApiRequest) -> Answer:
    body = await body_of(request, CloseBody)
    operation = await _own(request)
    by = caller_of(request).name
    return await _decided(request, await gateway_of(request).decisions.close(operation, by, body.verdict, body.note))


@endpoint(
    "GET",
    "/v1/payouts/{id}/history",
    scope="payouts:read",
    summary="The observations behind a payout's state, and the caller's own writes on it",
    query=NoParameters,
    answers={200: History},
    problems=("invalid_parameter", "payout_not_found", "unknown_connection", "field_refused", "journal_unavailable"),
)
async def get_history(request: ApiRequest) -> Answer:
    parameters(request, NoParameters)
    connection, native = addressed(request, request.path_params["id"])
    tenant = caller_of(request).tenant
    seen, written = await gateway_of(request).store.read(lambda tx: history(tx, tenant, connection.name, native))
    return json_answer(History([observation_answer(item) for item in seen], [recorded(item) for item in written]))


HANDLERS = [
    get_operations,
    get_operation,
    approve_operation,
    deny_operation,
    cancel_operation,
    release_operation,
    close_operation,
    get_history,
]
