"""Operations: what became of the writes of the caller's own tenant. Foreign ones do not exist."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response

from gateway.api.answers import OperationList, WriteAnswer, json_answer, operation_answer
from gateway.api.context import gateway_of, shown_payout
from gateway.api.endpoint import ApiRequest, caller_of, endpoint
from gateway.api.payouts import NoParameters
from gateway.api.problems import ApiError
from gateway.api.reading import parameters
from gateway.operation import State
from gateway.store.journal import attempts_of, find, list_operations


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
async def get_operations(request: ApiRequest) -> Response[bytes]:
    asked, tenant = parameters(request, OperationParameters), caller_of(request).tenant
    store = gateway_of(request).store
    found = await store.read(
        lambda tx: [
            (operation, attempts_of(tx, operation.id))
            for operation in list_operations(
                tx,
                tenant,
                states=asked.state,
                connection=asked.connection,
                action=asked.action,
                reference=asked.reference,
                before=asked.cursor,
                limit=asked.limit,
            )
        ]
    )
    data = [operation_answer(operation, attempts) for operation, attempts in found]
    more = data[-1].id if len(data) == asked.limit else None
    return json_answer(OperationList(data, more))


@endpoint(
    "GET",
    "/v1/operations/{id}",
    scope="payouts:read",
    summary="What became of a write, attempt by attempt",
    query=NoParameters,
    answers={200: WriteAnswer},
    problems=("invalid_parameter", "not_found", "journal_unavailable"),
)
async def get_operation(request: ApiRequest) -> Response[bytes]:
    parameters(request, NoParameters)
    gateway, tenant, id = gateway_of(request), caller_of(request).tenant, request.path_params["id"]
    operation = await gateway.store.read(lambda tx: find(tx, tenant, id))
    if operation is None:
        raise ApiError("not_found", "there is no such operation")
    attempts = await gateway.store.read(lambda tx: attempts_of(tx, id))
    payout = shown_payout(gateway, operation)
    return json_answer(WriteAnswer(operation=operation_answer(operation, attempts), payout=payout))


HANDLERS = [get_operations, get_operation]
