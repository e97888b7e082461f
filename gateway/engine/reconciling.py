"""What the providers have and a restored journal does not know."""

from __future__ import annotations

from functools import partial

import msgspec

from gateway.config import Config, journal_url
from gateway.engine.connection import Connection
from gateway.engine.service import connected
from gateway.store.opening import open_read_only
from gateway.store.questions import created_payouts
from providers.sdk import ListQuery, Payout

PAGES_MOST = 1000


class TooManyPayouts(Exception):
    """An account has more payouts than are read: what was forgotten cannot be told."""


async def forgotten_payouts(config: Config) -> list[tuple[str, ...]]:
    """Payouts of every connection that creates them which no operation of the journal led to.

    Raises UpstreamFailed, TooManyPayouts.
    """
    async with connected(config) as connections:
        store = open_read_only(journal_url(config))
        try:
            found: list[tuple[str, ...]] = []
            for name, connection in connections.items():
                if "create" in connection.offers:
                    known = await store.read(partial(created_payouts, connection=name))
                    found += [_row(name, item) for item in await _all(connection) if item.id not in known]
            return found
        finally:
            await store.close()


async def _all(connection: Connection) -> list[Payout]:
    query = ListQuery(limit=200)
    found: list[Payout] = []
    for _ in range(PAGES_MOST):
        page = await connection.read(connection.provider.list_payouts(query))
        found += page.items
        if page.next is None:
            return found
        query = msgspec.structs.replace(query, cursor=page.next)
    raise TooManyPayouts(f"{connection.name} has more than {len(found)} payouts; compare them at the provider")


def _row(connection: str, payout: Payout) -> tuple[str, ...]:
    amount = f"{payout.amount.decimal()} {payout.amount.currency}" if payout.amount else ""
    return f"{connection}:{payout.id}", str(payout.status), amount, payout.reference or "", payout.created_at or ""
