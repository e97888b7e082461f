"""What every route needs: the gateway, the caller, and an address such as `bank:po:28oi:2gFU` taken apart."""

from __future__ import annotations

from gateway.api.answers import json_answer, operation_answer, rejection, seen_payout
from gateway.api.endpoint import caller_of
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.problems import ApiError
from gateway.api.reading import body_of, idempotency_key, wait_of
from gateway.api.shapes import PayoutAnswer, WriteAnswer
from gateway.engine.connection import Connection
from gateway.engine.intent import Intent, fingerprint
from gateway.engine.reloading import Service
from gateway.engine.service import Gateway
from gateway.operation import Attempt, Kind, Operation, State
from gateway.siblings import Worker
from gateway.store.interface import Accepted, JournalUnavailable
from gateway.store.questions import attempts_of
from providers.sdk import Mark

REPLAYED = "Idempotent-Replayed"


def service_of(request: ApiRequest) -> Service:
    return request.service


def worker_of(request: ApiRequest) -> Worker | None:
    """Which one of several this process is."""
    found: Worker | None = request.app.state["worker"]
    return found


def gateway_of(request: ApiRequest) -> Gateway:
    """The gateway that answers this call."""
    return request.gateway


def addressed(request: ApiRequest, id: str) -> tuple[Connection, str]:
    """A unified id to its connection and the provider's own id. Raises ApiError, UnknownConnection, FieldRefused."""
    name, colon, native = id.partition(":")
    if not colon:
        raise ApiError("payout_not_found", "an id is <connection>:<the provider's own id>")
    connection = gateway_of(request).router.named(caller_of(request), name)
    connection.provider.check_id(native)
    return connection, native


async def write_mark(request: ApiRequest, action: str, kind: Kind, path: str) -> Answer:
    """A mark on the payout, or the payout request, that the path names. `path` tells it apart from other requests."""
    key = idempotency_key(request)
    body = await body_of(request, Mark, optional=True)
    connection, native = addressed(request, request.path_params["id"])
    caller = caller_of(request)
    intent = Intent(
        tenant=caller.tenant,
        maker=caller.name,
        key=key,
        fingerprint=fingerprint("POST", path.format(id=f"{connection.name}:{native}"), body),
        action=action,
        kind=kind,
        connection=connection.name,
        target=native,
        body=body,
    )
    return await write(request, intent)


async def write(request: ApiRequest, intent: Intent) -> Answer:
    """Accepts a write, and answers it."""
    return await answer_write(request, await gateway_of(request).writer.submit(intent))


async def answer_write(request: ApiRequest, accepted: Accepted, created: bool = False) -> Answer:
    """Waits as long as the caller wants, and answers with what is proven by then."""
    gateway, replayed = gateway_of(request), accepted.replayed
    operation, attempts = await gateway.writer.settle(accepted.operation, wait_of(request, gateway.config.wait))
    if attempts is None:
        attempts = await known_attempts(gateway, operation)
    shown = operation_answer(operation, attempts)
    headers = {REPLAYED: "true"} if replayed else {}
    if operation.state is State.REJECTED:
        error = rejection(operation, shown)
        error.headers.update(headers)
        raise error
    payout = shown_payout(gateway, operation)
    if operation.state is State.SUCCEEDED:
        status = 201 if created else 200
    else:
        status, headers["Location"] = 202, f"/v1/operations/{operation.id}"
    return json_answer(WriteAnswer(operation=shown, payout=payout), status, headers)


async def known_attempts(gateway: Gateway, operation: Operation) -> list[Attempt]:
    """What it took so far. None where the journal cannot tell: what was accepted is never answered as unsent."""
    try:
        return await gateway.store.read(lambda tx: attempts_of(tx, operation.id))
    except JournalUnavailable:
        return []


def shown_payout(gateway: Gateway, operation: Operation) -> PayoutAnswer | None:
    """The operation's payout, where its connection is still configured."""
    connection = gateway.connections.get(operation.connection)
    return seen_payout(connection, operation) if connection else None
