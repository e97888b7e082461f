"""Bulk marks: many ids, one operation each, an outcome for every one of them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from gateway.api.answers import json_answer, operation_answer, rejection
from gateway.api.context import REPLAYED, addressed, gateway_of, known_attempts, shown_payout
from gateway.api.endpoint import caller_of, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.payouts import WRITE_PROBLEMS
from gateway.api.problems import ApiError, Problem, from_error
from gateway.api.reading import body_of, idempotency_key, wait_of
from gateway.api.shapes import BulkAnswer, BulkItem
from gateway.engine.intent import Intent, fingerprint
from gateway.engine.service import Gateway
from gateway.operation import Operation, State
from gateway.store.journal import Accepted, KeyReused
from providers.sdk import Mark, Text
from providers.sdk import NotOffered as PluginNotOffered


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
        intents = [_intent(request, id, body, action, key, print_) for id in body.ids]
        accepted = await _accept_all(gateway_of(request), action, intents)
        for result in accepted:
            if isinstance(result, KeyReused):  # one key, another list of ids: that concerns the whole call
                raise result
        return await _answer(request, body, accepted)

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
    results = await asyncio.gather(*(gateway.writer.queue(item) for item in intents), return_exceptions=True)
    return [result if isinstance(result, (Accepted, Exception)) else ApiError("internal") for result in results]


async def _answer(request: ApiRequest, body: BulkBody, accepted: list[Accepted | Exception]) -> Answer:
    gateway = gateway_of(request)
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_of(request, gateway.config.wait)

    async def item(id: str, result: Accepted | Exception) -> BulkItem:
        if isinstance(result, Exception):
            return _refused(id, from_error(result, caller_of(request).tenant).problem())
        settled = await gateway.writer.settle(result.operation, max(0.0, until - loop.time()))
        return await _item(gateway, id, settled.operation)

    items = await asyncio.gather(*(item(id, result) for id, result in zip(body.ids, accepted, strict=True)))
    replayed = all(isinstance(result, Accepted) and result.replayed for result in accepted)
    return json_answer(BulkAnswer(list(items)), headers={REPLAYED: "true"} if replayed else {})


def _refused(id: str, problem: Problem) -> BulkItem:
    return BulkItem(id=id, state="refused", operation=None, payout=None, error=problem)


async def _item(gateway: Gateway, id: str, operation: Operation) -> BulkItem:
    shown = operation_answer(operation, await known_attempts(gateway, operation))
    error: Any = None
    if operation.state is State.REJECTED:
        error = rejection(operation).problem()
    payout = shown_payout(gateway, operation)
    return BulkItem(id=id, state=operation.state, operation=shown, payout=payout, error=error)


HANDLERS = [
    _bulk("process", "Mark many payouts as processing"),
    _bulk("complete", "Mark many payouts as paid"),
]
