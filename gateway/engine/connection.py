"""A connection at run time: its plugin, its way upstream, and whether its credentials work."""

from __future__ import annotations

import asyncio
import time
from typing import Any, TypeVar

from gateway import metrics
from gateway.engine.errors import NotOffered
from gateway.upstream import Answered, Outcome, Refused, Upstream, UpstreamFailed
from providers.sdk import Call, ListQuery, Page, Payout, PayoutStatus, Provider, RefusalKind

T = TypeVar("T")

TURNS = 16  # how many marks of bulk calls are under way at once
PROBE_SECONDS = 5.0  # how often a held connection is tried again


class Connection:
    """What the engine knows of one connection. It never asks who the provider is, only what it offers."""

    def __init__(self, name: str, provider: Provider, upstream: Upstream) -> None:
        self.name = name
        self.provider = provider
        self.upstream = upstream
        self.offers = provider.offers()
        self.held: str | None = None  # why
        self.turns = asyncio.Semaphore(TURNS)
        self._probed_at = 0.0

    def require(self, capability: str) -> None:
        """Raises NotOffered, naming what there is instead."""
        if capability not in self.offers:
            raise NotOffered(capability, self.name, self.offers)

    async def send(self, call: Call[T]) -> Outcome[T]:
        """One send; what it shows of our credentials holds the connection, or frees it."""
        outcome = await self.upstream.send(call)
        self._learn(outcome)
        self._count(call, outcome)
        return outcome

    async def read(self, call: Call[T]) -> T:
        """The result of a read. Raises UpstreamFailed."""
        outcome = await self.send(call)
        if isinstance(outcome, Answered):
            return outcome.result
        failed = UpstreamFailed(outcome)
        failed.connection = self.name
        raise failed

    def hold(self, detail: str | None) -> None:
        """No write goes out until a read shows that our credentials work again."""
        self.held = detail or "the provider refused our credentials"

    async def usable(self) -> bool:
        """False while the connection is held. Asks the provider again, at most every few seconds."""
        if self.held is None:
            return True
        if time.monotonic() - self._probed_at < PROBE_SECONDS:
            return False
        self._probed_at = time.monotonic()
        outcome = await self.send(self.provider.list_payouts(ListQuery(limit=1)))
        return isinstance(outcome, Answered)

    def _count(self, call: Call[Any], outcome: Outcome[Any]) -> None:
        metrics.upstream_calls.labels(self.name, call.operation, type(outcome).__name__.lower()).inc()
        if isinstance(outcome, Answered):
            seen = outcome.result.items if isinstance(outcome.result, Page) else [outcome.result]
            unknown = sum(isinstance(item, Payout) and item.status is PayoutStatus.UNKNOWN for item in seen)
            metrics.unknown_statuses.labels(self.name).inc(unknown)

    def _learn(self, outcome: Outcome[Any]) -> None:
        refused = outcome.refusal.kind if isinstance(outcome, Refused) else None
        if refused in (RefusalKind.CREDENTIALS, RefusalKind.FORBIDDEN):
            self.hold(outcome.evidence.detail)
        elif isinstance(outcome, Answered):
            self.held = None
