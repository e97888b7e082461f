"""Whether each connection's credentials work: one harmless read each. Nothing moves."""

from __future__ import annotations

import asyncio

import msgspec

from gateway.config import Config
from gateway.engine.connection import Connection
from gateway.engine.service import connected
from gateway.upstream import Answered, NotSent, Refused
from providers.sdk import ListQuery, RefusalKind


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict`: ok, refused (our credentials), unreachable, or unclear (it answers, and not as documented)."""

    connection: str
    provider: str
    verdict: str
    detail: str | None
    milliseconds: int


async def probed(config: Config) -> list[Probed]:
    """Asks all providers at once."""
    async with connected(config) as connections:
        return list(await asyncio.gather(*(_probed(connection) for connection in connections.values())))


async def _probed(connection: Connection) -> Probed:
    if "list_payouts" not in connection.offers:
        return _told(connection, "unclear", "its provider offers no read that is harmless", 0)
    outcome = await connection.send(connection.provider.list_payouts(ListQuery(limit=1)))
    match outcome:
        case Answered():
            verdict = "ok"
        case NotSent():
            verdict = "unreachable"
        case Refused(_, refusal) if refusal.kind in (RefusalKind.CREDENTIALS, RefusalKind.FORBIDDEN):
            verdict = "refused"
        case _:
            verdict = "unclear"
    return _told(connection, verdict, outcome.evidence.detail, outcome.evidence.milliseconds)


def _told(connection: Connection, verdict: str, detail: str | None, milliseconds: int) -> Probed:
    return Probed(
        connection=connection.name,
        provider=connection.provider.name,
        verdict=verdict,
        detail=detail,
        milliseconds=milliseconds,
    )
