"""Asking the provider what became of a write."""

from __future__ import annotations

from typing import TypeVar

from gateway.engine.connection import Connection
from gateway.engine.errors import NotKnowable, NotOffered, PayoutNotFound
from gateway.engine.intent import CreateBody, Intent, order_of
from gateway.engine.machine import Absent, Differs, Found, LookUp, LookUpFailed, Several
from gateway.engine.reading import Reader
from gateway.upstream import Contradicted, UpstreamFailed
from providers.sdk import TARGETS, Mark, PayoutSettings, RequestStatus

T = TypeVar("T")

REQUEST_TARGETS = {"approve_request": RequestStatus.APPROVED, "reject_request": RequestStatus.REJECTED}


async def look_up(reader: Reader, connection: Connection, intent: Intent) -> LookUp:
    """What the provider shows of an intent's target. Every failure is a result: nothing is raised."""
    try:
        return await _ask(reader, connection, intent)
    except PayoutNotFound:
        return Absent()
    except (NotKnowable, NotOffered) as error:
        return LookUpFailed(str(error))
    except UpstreamFailed as error:
        if isinstance(error.outcome, Contradicted):
            return Differs(error.outcome.evidence.detail or "the look-up contradicts the request")
        return LookUpFailed(error.outcome.evidence.detail)


async def _ask(reader: Reader, connection: Connection, intent: Intent) -> LookUp:
    match intent.body:
        case CreateBody() as body:
            return await _by_reference(connection, intent, body)
        case PayoutSettings() as settings:
            shown = await connection.read(connection.provider.get_settings())
            return Found(None, at_target=shown == settings)
        case Mark() as mark:
            return await _by_id(reader, connection, intent, mark)


async def _by_reference(connection: Connection, intent: Intent, body: CreateBody) -> LookUp:
    connection.require("find")
    order = order_of(connection.provider, intent.tenant, body)
    page = await connection.read(connection.provider.find(order))
    if len(page.items) > 1:
        return Several()
    return Found(page.items[0], at_target=True) if page.items else Absent()


async def _by_id(reader: Reader, connection: Connection, intent: Intent, mark: Mark) -> LookUp:
    id = intent.target or ""
    if intent.kind == "payout_request":
        request = await reader.request(connection, id)
        return Found(None, at_target=request.status is REQUEST_TARGETS[intent.action])
    payout = (await reader.payout(connection, id)).payout
    differs = None not in (mark.reference, payout.reference) and mark.reference != payout.reference
    at_target = payout.status is TARGETS[intent.action]
    return Found(payout, at_target, reference_differs=at_target and differs)
