"""Bulk marks: many ids, one operation each, an outcome for every one of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from litestar.handlers import HTTPRouteHandler

from gateway.api.answers import json_answer, operation_answer, rejection
from gateway.api.context import REPLAYED, addressed, gateway_of, shown_payout
from gateway.api.endpoint import caller_of, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.payouts import WRITE_PROBLEMS
from gateway.api.problems import ApiError, Problem, from_error
from gateway.api.reading import body_of, idempotency_key, wait_of
from gateway.api.shapes import BulkAnswer, BulkItem
from gateway.engine.intent import Intent, fingerprint
from gateway.engine.service import Gateway
from gateway.operation import Attempt, Operation, State
from gateway.store.interface import Accepted, JournalUnavailable, KeyReused, Transaction
from gateway.store.questions import attempts_of, find_items
from providers.sdk import Mark, Text
from providers.sdk import NotOffered as PluginNotOffered

T = TypeVar("T")
PART = 64  # ids that are taken into the journal, or answered, in one go: whoever else calls has a turn in between


class BulkBody(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Unified ids, of one connection or of many."""

    ids: Annotated[
        tuple[str, ...], msgspec.Meta(min_length=1, max_length=10_000, extra_json_schema={"uniqueItems": True})
    ]
    reference: Text | None = None
    notes: Text | None = None


def _bulk(action: str, summary: str) -> HTTPRouteHandler:
    async def bulk(request: ApiRequest) -> Answer:
        key = idempotency_key(request)
        body = await body_of(request, BulkBody)
        print_ = fingerprint("POST", f"/v1/payouts/bulk/{action}", body)
        intents: list[Intent | Exception] = []
        for ids in _parts(body.ids):
            intents += [_intent(request, id, body, action, key, print_) for id in ids]
            await asyncio.sleep(0)  # other callers are answered meanwhile
        accepted = await _accept_all(gateway_of(request), action, intents)
        for result in accepted:
            if isinstance(result, KeyReused):  # one key, another list of ids: that concerns the whole call
                raise result
        return await _answer(request, body, key, accepted)

    bulk.__name__ = f"bulk_{action}"
    return endpoint(
        "POST",
        f"/v1/payouts/bulk/{action}",
        scope="payouts:write",
        summary=summary,
        body=BulkBody,
        answers={200: BulkAnswer},
        problems=tuple(name for name in WRITE_PROBLEMS if name not in ("payout_busy", "conflict")),
        writes=True,
    )(bulk)


def _intent(request: ApiRequest, id: str, body: BulkBody, action: str, key: str, print_: str) -> Intent | Exception:
    try:
        connection, native = addressed(request, id)
    except Exception as error:  # each id has an outcome of its own
        return error
    caller = caller_of(request)
    return Intent(
        tenant=caller.tenant,
        maker=caller.name,
        key=key,
        item=id,
        fingerprint=print_,
        action=action,
        connection=connection.name,
        target=native,
        body=Mark(reference=body.reference, notes=body.notes),
    )


async def _accept_all(gateway: Gateway, action: str, intents: list[Intent | Exception]) -> list[Accepted | Exception]:
    """Accepts every id before any is waited for. Ids whose provider has a bulk call of its own go together."""
    together: dict[str, list[int]] = {}
    for place, intent in enumerate(intents):
        if isinstance(intent, Intent):
            together.setdefault(intent.connection, []).append(place)
    results: list[Accepted | Exception] = [
        intent if isinstance(intent, Exception) else ApiError("internal") for intent in intents
    ]
    for connection, places in together.items():
        wanted = [intent for place in places if isinstance(intent := intents[place], Intent)]
        for place, result in zip(places, await _accept(gateway, connection, action, wanted), strict=True):
            results[place] = result
    return results


async def _accept(gateway: Gateway, connection: str, action: str, intents: list[Intent]) -> list[Accepted | Exception]:
    provider = gateway.connections[connection].provider
    if f"bulk_{action}" in gateway.connections[connection].offers:
        ids = [intent.target or "" for intent in intents]
        try:
            call = getattr(provider, f"bulk_{action}")(ids, intents[0].body)
            return await gateway.writer.submit_together(intents, call)
        except PluginNotOffered:
            pass  # the provider's bulk call is not configured: one by one
    results: list[Accepted | Exception] = []
    for part in _parts(intents):
        queued = await asyncio.gather(*(gateway.writer.queue(item) for item in part), return_exceptions=True)
        results += [each if isinstance(each, (Accepted, Exception)) else ApiError("internal") for each in queued]
    return results


async def _answer(request: ApiRequest, body: BulkBody, key: str, accepted: list[Accepted | Exception]) -> Answer:
    gateway, tenant = gateway_of(request), caller_of(request).tenant
    with contextlib.suppress(JournalUnavailable):  # what is accepted is never answered as if it were not
        await gateway.writer.settle_all(tenant, key, wait_of(request, gateway.config.wait))
    items: list[msgspec.Raw] = []
    for part in _parts(list(zip(body.ids, accepted, strict=True))):
        items += await _items(gateway, tenant, key, part)
    replayed = all(isinstance(result, Accepted) and result.replayed for result in accepted)
    return json_answer({"data": items}, headers={REPLAYED: "true"} if replayed else {})


async def _items(
    gateway: Gateway, tenant: str, key: str, part: Sequence[tuple[str, Accepted | Exception]]
) -> list[msgspec.Raw]:
    """A part of the answer, encoded at once: 10,000 items as objects would need several times the room."""
    accepted = {id: result.operation for id, result in part if isinstance(result, Accepted)}
    latest, attempts = await _latest(gateway, tenant, key, accepted)
    items = (
        _refused(id, from_error(result, tenant).problem())
        if isinstance(result, Exception)
        else _item(gateway, id, latest[id], attempts[latest[id].id])
        for id, result in part
    )
    return [msgspec.Raw(msgspec.json.encode(item)) for item in items]


async def _latest(
    gateway: Gateway, tenant: str, key: str, accepted: dict[str, Operation]
) -> tuple[dict[str, Operation], dict[str, list[Attempt]]]:
    """Operations by item, as the journal has them or else as they were accepted, and attempts by operation."""
    attempts: dict[str, list[Attempt]] = defaultdict(list)

    def look(tx: Transaction) -> tuple[dict[str, Operation], list[Attempt]]:
        found = find_items(tx, tenant, key, list(accepted))
        return found, attempts_of(tx, *(operation.id for operation in found.values()))

    try:
        found, made = await gateway.store.read(look)
    except JournalUnavailable:
        return accepted, attempts
    for attempt in made:
        attempts[attempt.operation].append(attempt)
    return accepted | found, attempts


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[first : first + PART] for first in range(0, len(items), PART))


def _refused(id: str, problem: Problem) -> BulkItem:
    return BulkItem(id=id, state="refused", operation=None, payout=None, error=problem)


def _item(gateway: Gateway, id: str, operation: Operation, attempts: list[Attempt]) -> BulkItem:
    shown = operation_answer(operation, attempts)
    error: Any = None
    if operation.state is State.REJECTED:
        error = rejection(operation).problem()
    payout = shown_payout(gateway, operation)
    return BulkItem(id=id, state=operation.state, operation=shown, payout=payout, error=error)


HANDLERS = [
    _bulk("process", "Mark many payouts as processing"),
    _bulk("complete", "Mark many payouts as paid"),
]
