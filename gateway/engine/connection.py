"""A connection at run time: its plugin, its way upstream, and whether calls may go out on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from gateway import metrics
from gateway.coordination import Admission, CircuitState, Coordination, Kind, Symptom, cached, turn
from gateway.coordination import Verdict as Circuit
from gateway.engine.errors import NotOffered
from gateway.engine.routes import closed
from gateway.upstream import (
    Answered,
    Contradicted,
    Evidence,
    NotSent,
    Outcome,
    Refused,
    Stream,
    Upstream,
    UpstreamFailed,
)
from providers.sdk import Call, Effect, ListQuery, Page, Payout, PayoutStatus, Provider, RefusalKind

T = TypeVar("T")

TURNS = 16  # how many marks of bulk calls are under way at once
PROBE_SECONDS = 5.0  # how often a held connection is tried again
RATE_PATIENCE = 5.0  # seconds that a call waits for its turn under the connection's rate limit


class Kept(msgspec.Struct, Generic[T], frozen=True):
    """A cached read, and when the provider gave it (milliseconds of the epoch)."""

    value: T
    at: int


class Connection:
    """What the engine knows of one connection. It never asks who the provider is, only what it offers."""

    def __init__(
        self,
        name: str,
        provider: Provider,
        upstream: Upstream,
        coordination: Coordination,
        cache: float,
        state: str = "active",
    ) -> None:
        self.name = name
        self.provider = provider
        self.upstream = upstream
        self.coordination = coordination
        self.cache = cache
        self.state = state
        self.offers = provider.offers()
        self.held: str | None = None  # why
        self.turns = asyncio.Semaphore(TURNS)
        self._probed_at = 0.0

    async def close(self) -> None:
        await self.upstream.transport.aclose()

    def require(self, capability: str) -> None:
        """Raises NotOffered, naming what there is instead."""
        if capability not in self.offers:
            raise NotOffered(capability, self.name, self.offers)

    async def send(self, call: Call[T], before: float | None = None) -> Outcome[T]:
        """One send; what it shows of our credentials holds the connection, or frees it.

        `before`: nothing leaves after this monotonic time. A call that may not go out now is NotSent.
        """
        kind = Kind.READ if call.effect is Effect.READ else Kind.WRITE
        if kind is Kind.WRITE and self.state == "paused":
            return _unsent("the connection is paused")
        admission = await self.coordination.admit(self.name, kind)
        stopped = await self._stopped(kind, admission)
        if stopped is not None:
            return stopped
        outcome = await self.upstream.send(call, before)
        await self._report(kind, outcome, admission.verdict is Circuit.PROBE)
        self._learn(outcome)
        self._count(call, outcome)
        return outcome

    async def read(self, call: Call[T]) -> T:
        """The result of a read, from the provider itself. Raises UpstreamFailed."""
        outcome = await self.send(call)
        if isinstance(outcome, Answered):
            return outcome.result
        failed = UpstreamFailed(outcome)
        failed.connection = self.name
        raise failed

    async def open(self, call: Call[Any]) -> Stream:
        """A file, on its way. Raises UpstreamFailed."""
        admission = await self.coordination.admit(self.name, Kind.READ)
        try:
            stopped = await self._stopped(Kind.READ, admission)
            if stopped is not None:
                raise UpstreamFailed(stopped)
            file = await self._opened(call, admission.verdict is Circuit.PROBE)
        except UpstreamFailed as error:
            error.connection = self.name
            raise
        self.held = None
        return file

    async def _opened(self, call: Call[Any], probe: bool) -> Stream:
        try:
            file = await self.upstream.open(call)
        except UpstreamFailed as error:
            await self._report(Kind.READ, error.outcome, probe)
            self._learn(error.outcome)
            raise
        await self.coordination.record(self.name, Kind.READ, Symptom.OK, probe=probe)
        return file

    async def read_for_caller(self, call: Call[T], kind: type[T]) -> Kept[T]:
        """A read that may be a moment old; one upstream call serves all who ask meanwhile. Raises UpstreamFailed.

        Never for the engine itself: what decides about money is asked anew.
        """

        async def ask() -> bytes:
            return msgspec.json.encode(Kept(await self.read(call), int(time.time() * 1000)))

        if self.cache <= 0:
            raw = await ask()
        else:
            raw = await cached(self.coordination, self.name, f"{call.operation} {call.path} {call.query}", ask)
        kept: Kept[T] = msgspec.json.decode(raw, type=Kept[kind])  # type: ignore[valid-type]
        return kept

    async def forget_reads(self) -> None:
        """After a write nobody is given what was read before it."""
        await self.coordination.drop(self.name)

    async def circuits(self) -> Mapping[Kind, CircuitState]:
        """For people to see."""
        return {kind: await self.coordination.circuit(self.name, kind) for kind in Kind}

    def hold(self, detail: str | None) -> None:
        """No write goes out until a read shows that our credentials work again."""
        self.held = detail or "the provider refused our credentials"

    async def closed_to(self, action: str) -> str | None:
        """Why it takes no such write now, or None."""
        why = closed(self.state, self.name, action)
        if why is None and not await self.usable():
            return f"{self.name} is held: {self.held}"
        return why

    async def usable(self) -> bool:
        """False while the connection is held. Asks the provider again, at most every few seconds."""
        if self.held is None:
            return True
        if time.monotonic() - self._probed_at < PROBE_SECONDS:
            return False
        self._probed_at = time.monotonic()
        return await self._probe()

    async def _probe(self) -> bool:
        outcome = await self.send(self.provider.list_payouts(ListQuery(limit=1)))
        return isinstance(outcome, Answered)

    async def _stopped(self, kind: Kind, admission: Admission) -> NotSent | None:
        """Why a call may not go out now, or None."""
        if await turn(self.coordination, self.name, RATE_PATIENCE) > 0:
            return _unsent("the connection's rate limit", ours=True)
        if admission.verdict is Circuit.STOP:
            return _unsent(f"the connection's circuit is open; next probe in {admission.wait:.0f} s")
        if admission.verdict is Circuit.PROBE and kind is Kind.WRITE and not await self._write_probe():
            return _unsent("the connection's circuit is open; a probe has just failed")
        return None

    async def _write_probe(self) -> bool:
        """Money is no probe: a read tells whether the provider answers again."""
        outcome = await self.upstream.send(self.provider.list_payouts(ListQuery(limit=1)))
        symptom = symptom_of(outcome)
        await self.coordination.record(self.name, Kind.WRITE, symptom, probe=True)
        return symptom in (Symptom.OK, Symptom.DECLINED)

    async def _report(self, kind: Kind, outcome: Outcome[Any], probe: bool) -> None:
        await self.coordination.record(self.name, kind, symptom_of(outcome), probe=probe)
        if isinstance(outcome, Refused) and outcome.refusal.kind is RefusalKind.RATE_LIMITED:
            await self.coordination.pause(self.name, float(outcome.refusal.retry_after or 1))
        if kind is Kind.WRITE:
            await self.forget_reads()

    def _count(self, call: Call[Any], outcome: Outcome[Any]) -> None:
        metrics.series(metrics.upstream_calls, self.name, call.operation, type(outcome).__name__.lower()).inc()
        if isinstance(outcome, Answered):
            seen = outcome.result.items if isinstance(outcome.result, Page) else [outcome.result]
            unknown = sum(isinstance(item, Payout) and item.status is PayoutStatus.UNKNOWN for item in seen)
            metrics.series(metrics.unknown_statuses, self.name).inc(unknown)

    def _learn(self, outcome: Outcome[Any]) -> None:
        refused = outcome.refusal.kind if isinstance(outcome, Refused) else None
        if refused in (RefusalKind.CREDENTIALS, RefusalKind.FORBIDDEN):
            self.hold(outcome.evidence.detail)
        elif isinstance(outcome, Answered):
            self.held = None


def _unsent(why: str, ours: bool = False) -> NotSent:
    return NotSent(Evidence(False, detail=why), ours)


def symptom_of(outcome: Outcome[Any]) -> Symptom:
    """What an outcome shows of the provider's health; a documented refusal shows nothing, our own lateness neither."""
    match outcome:
        case Answered() | Contradicted():
            return Symptom.OK
        case Refused():
            return Symptom.DECLINED
        case NotSent():
            return Symptom.DECLINED if outcome.ours else Symptom.UNREACHABLE
        case _:
            return Symptom.UNREACHABLE if outcome.evidence.status is None else Symptom.ERROR
