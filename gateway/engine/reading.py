"""Reads of single payouts, also where a provider has no full single read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from gateway.engine.connection import Connection
from gateway.engine.errors import NotKnowable, NotOffered, PayoutNotFound
from gateway.operation import Observation
from gateway.store.interface import Store
from gateway.store.questions import last_observation
from gateway.upstream import Refused, UpstreamFailed
from providers.sdk import Call, ListQuery, Page, Payout, PayoutRequest, RefusalKind

Item = TypeVar("Item", Payout, PayoutRequest)

# A walk's bound: 20 pages of the largest documented size are 2,000 payouts.
WALK_PAGES = 20
WALK_SIZE = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """A payout, when it was seen (milliseconds of the epoch), and where: provider, list or journal."""

    payout: Payout
    at: int
    source: str


class Reader:
    """Reads of single payouts and payout requests."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self.clock = clock

    async def payout(self, connection: Connection, id: str, for_caller: bool = False) -> Seen:
        """One payout. Raises PayoutNotFound, NotKnowable, NotOffered, UpstreamFailed, FieldRefused.

        `for_caller`: it may be a moment old. The engine's own reads are always new.
        """
        connection.provider.check_id(id)
        if "get" not in connection.offers:
            return await self._from_list(connection, id)
        try:
            seen = await self._got(connection, id, for_caller)
        except UpstreamFailed as error:
            raise _not_found_or(error, id) from None
        return await self._complete(connection, seen) if connection.provider.reduced_get else seen

    async def _got(self, connection: Connection, id: str, for_caller: bool) -> Seen:
        call = connection.provider.get(id)
        if not for_caller:
            return Seen(await connection.read(call), self.now(), "provider")
        kept = await connection.read_for_caller(call, Payout)
        return Seen(kept.value, kept.at, "provider")

    async def request(self, connection: Connection, id: str) -> PayoutRequest:
        """One payout request, from its list: no single read is documented."""
        connection.provider.check_id(id)
        found, complete = await walk(connection, connection.provider.list_requests, id)
        if found is not None:
            return found
        raise PayoutNotFound(id) if complete else NotKnowable("the list of payout requests is too long to walk")

    async def _from_list(self, connection: Connection, id: str) -> Seen:
        if "list_payouts" not in connection.offers:
            raise NotOffered("get", connection.name, connection.offers)
        found, complete = await walk(connection, connection.provider.list_payouts, id)
        if found is not None:
            return Seen(found, self.now(), "list")
        if complete and not connection.provider.unlisted:
            raise PayoutNotFound(id)
        known = await self._observed(connection, id)
        if known is None:
            raise NotKnowable(f"{connection.name} lists its payouts only, and this one is not among the newest")
        return Seen(known.payout, known.at, "journal")

    async def _complete(self, connection: Connection, seen: Seen) -> Seen:
        """Fills what a reduced read lacks, from the list of open payouts or from our own last observation."""
        if "list_payouts" in connection.offers:
            found, _ = await walk(connection, connection.provider.list_payouts, seen.payout.id)
            if found is not None and found.status is seen.payout.status:
                return Seen(found, seen.at, "provider+list")
        known = await self._observed(connection, seen.payout.id)
        if known is None:
            return seen
        return Seen(_filled(seen.payout, known.payout), seen.at, "provider+journal")

    async def _observed(self, connection: Connection, id: str) -> Observation | None:
        return await self.store.read(lambda tx: last_observation(tx, connection.name, id))

    def now(self) -> int:
        return int(self.clock() * 1000)


def _filled(payout: Payout, known: Payout) -> Payout:
    """What the journal may add: what never changes, and the rest only if the payout stands where we last saw it."""
    fixed = {"amount": payout.amount or known.amount, "payee": payout.payee or known.payee}
    if payout.status is not known.status:
        return msgspec.structs.replace(payout, **fixed)
    return msgspec.structs.replace(
        payout,
        **fixed,
        reference=payout.reference or known.reference,
        paid_at=payout.paid_at or known.paid_at,
        extensions={**known.extensions, **payout.extensions},
    )


def _not_found_or(error: UpstreamFailed, id: str) -> Exception:
    refused = error.outcome
    if isinstance(refused, Refused) and refused.refusal.kind is RefusalKind.NOT_FOUND:
        return PayoutNotFound(id)
    return error


async def walk(
    connection: Connection, build: Callable[[ListQuery], Call[Page[Item]]], id: str
) -> tuple[Item | None, bool]:
    """One item of a list, and whether the list was seen to its end. Raises UpstreamFailed."""
    query = ListQuery(limit=WALK_SIZE)
    for _ in range(WALK_PAGES):
        page = await connection.read(build(query))
        found = next((item for item in page.items if item.id == id), None)
        if found is not None or page.next is None:
            return found, True
        query = msgspec.structs.replace(query, cursor=page.next)
    return None, False
