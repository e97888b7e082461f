"""The way of one operation once it is accepted: send once, record, look up what is not proven.

The last commit before any send has the state `sending`. Each operation runs in a task of its own: what its caller
does meanwhile, hanging up included, changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from gateway import metrics
from gateway.config import Operations
from gateway.coordination import Coordination
from gateway.engine import machine
from gateway.engine.connection import Connection
from gateway.engine.intent import call_of, intent_of
from gateway.engine.limiting import Limiter
from gateway.engine.lookup import look_up
from gateway.engine.machine import Verdict
from gateway.engine.moving import moved_on
from gateway.engine.reading import Reader
from gateway.engine.recovery import Recovery
from gateway.operation import Attempt, Observation, Operation, State, Step
from gateway.store.audit import GATEWAY, Audit
from gateway.store.interface import JournalError, Store, Transaction
from gateway.store.journal import claim, record
from gateway.store.journal import now as database_now
from gateway.store.leases import Claimed, claim_due, free, leased
from gateway.store.limits import OverLimit, refuse_over, take_turns
from gateway.store.questions import find, has_successor
from gateway.upstream import Outcome
from providers.sdk import Call, Payout

log = logging.getLogger("gateway.operations")

CLAIM_MOST = 100  # how many operations one round takes
NEWS = "operations"  # the topic of every recorded change: whoever waits for one reads it then
IDLE_SECONDS = 1.0  # how often the journal is asked for what is due
SEND_WITHIN = 10.0  # seconds from before the `sending` commit in which the send must begin


class Settled(NamedTuple):
    """An operation at rest, or as far as it came. `attempts`: None where only the journal tells them."""

    operation: Operation
    attempts: list[Attempt] | None = None


class Runner:
    """Runs accepted operations of all connections over one journal."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        store: Store,
        reader: Reader,
        audit: Audit,
        knobs: Operations,
        recovery: Recovery,
        coordination: Coordination,
        limiter: Limiter,
        spare: Mapping[str, tuple[str, ...]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.connections = connections
        self.store = store
        self.reader = reader
        self.audit = audit
        self.knobs = knobs
        self.recovery = recovery
        self.coordination = coordination
        self.limiter = limiter
        self.spare = spare  # the fallbacks of each route, today
        self.clock = clock
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.tasks: dict[str, asyncio.Task[Settled | None]] = {}
        self._finished: dict[str, Attempt] = {}  # the first attempt of what is under way, as it was recorded
        self.follows = frozenset(connections)  # whose due operations it takes
        self.working = True
        self._more = asyncio.Event()  # there may be something to take before the next look
        self._left_some = False  # whether the last look may have left what is due

    def now(self) -> int:
        """Milliseconds of the epoch."""
        return int(self.clock() * 1000)

    def leased(self, tx: Transaction, operation: Operation) -> Operation:
        """The operation as this gateway's alone, by the database's clock, until it is recorded or the lease ends."""
        return leased(tx, operation, self.owner, self.knobs.lease * 1000)

    def taken(self, tx: Transaction, operation: Operation) -> Operation:
        """The operation as it is accepted: leased, and counted by limits from now on."""
        return msgspec.structs.replace(self.leased(tx, operation), accepted_at=database_now(tx))

    def queued(self, tx: Transaction, operation: Operation) -> Operation:
        """The operation as it is accepted to wait for its turn: nobody's yet, and due at once."""
        taken = free(self.taken(tx, operation))
        return msgspec.structs.replace(taken, due_at=taken.accepted_at)

    def start(self, operation: Operation, work: Coroutine[Any, Any, Operation]) -> asyncio.Task[Settled | None]:
        """Works on an operation, whatever its caller does. The result is None where the work was interrupted."""
        task = self.tasks[operation.id] = asyncio.create_task(self._settled(operation.id, work))
        return task

    async def _settled(self, id: str, work: Coroutine[Any, Any, Operation]) -> Settled | None:
        try:
            operation = await work
        except Exception:
            # The journal says `sending`: once its lease has ended, someone looks up what became of it.
            log.exception("operation %s was interrupted", id)
            return None
        finally:
            first = self._finished.pop(id, None)
            if self.tasks.get(id) is asyncio.current_task():
                del self.tasks[id]
        return Settled(operation, [first] if first and operation.attempts == 1 else None)

    async def send(self, operation: Operation, call: Call[Any], before: float) -> Operation:
        """Sends an operation whose `sending` is committed, and goes on to its next rest.

        `before` was fixed by `send_before` ahead of that commit: whoever was paused since then comes too late.
        """
        return await self.conclude(operation, await self.connections[operation.connection].send(call, before))

    async def conclude(self, operation: Operation, outcome: Outcome[Any]) -> Operation:
        """Records what became of a send; looks up at once where that is the next step."""
        verdict = machine.after_send(operation, outcome)
        if verdict.hold:
            self.connections[operation.connection].hold(verdict.detail)
        if verdict.elsewhere:
            why = f"attempt {operation.attempts} never left: {verdict.detail}"
            gone = await self._go_elsewhere(operation, why, _finished(operation, outcome, self.now()))
            if gone is not None:
                return gone
        looks_up = verdict.step is Step.LOOK_UP and verdict.delay == 0
        finished = _finished(operation, outcome, self.now())
        recorded = await self.record(operation, verdict, finished, keeps=looks_up)
        # The lease is kept meanwhile: nobody else looks up the same. What has moved on is another's to look up.
        ours = recorded.fence == operation.fence + 1 and recorded.lease_owner == self.owner
        looks_up = looks_up and ours and recorded.step is Step.LOOK_UP
        return await self.look_up(recorded) if looks_up else recorded

    async def look_up(self, operation: Operation) -> Operation:
        """Asks the provider, and records what that means."""
        connection = self.connections[operation.connection]
        seen = await look_up(self.reader, connection, intent_of(operation))
        age = (self.now() - operation.sent_at) // 1000
        successor = False
        if operation.state is State.REJECTED:
            successor = await self.store.read(lambda tx: has_successor(tx, operation))
        verdict = machine.after_look_up(operation, seen, age, self.knobs.lookup_window, successor)
        return await self.record(operation, verdict, None)

    async def resume(self, operation: Operation) -> Operation:
        """Does the next step of an operation that this gateway holds."""
        connection = self.connections[operation.connection]
        since = operation.accepted_at or operation.created_at
        late = machine.expired(operation, (self.now() - since) // 1000, self.knobs.expires_after)
        if late is not None:
            return await self.record(operation, late, None)
        sends = operation.step is Step.SEND
        if sends and self.recovery.why:
            return await self.record(operation, machine.postponed(operation), None)
        if machine.may_move(operation) and (why := await connection.closed_to(operation.action)) is not None:
            gone = await self._go_elsewhere(operation, why)
            if gone is not None:
                return gone
        if not await connection.usable() or (sends and connection.state == "paused"):
            return await self.record(operation, machine.postponed(operation), None)
        return await self._send_next(operation) if sends else await self.look_up(operation)

    async def _go_elsewhere(self, operation: Operation, why: str, finished: Attempt | None = None) -> Operation | None:
        """Commits that an operation is another connection's now, then sends it there. None: nobody takes it."""
        while (moved := await moved_on(self.connections, self.spare, operation, why)) is not None:
            verdict = Verdict(State.ACCEPTED, moved.reason, moved.detail, Step.SEND)
            try:
                recorded = await self.record(moved, verdict, finished, keeps=True, event="moved")
            except OverLimit as error:
                operation, why = moved, f"over its limit: {error}"
                continue
            log.warning("operation %s goes to %s instead", moved.id, moved.connection)
            ours = (recorded.fence, recorded.connection) == (moved.fence + 1, moved.connection)
            return await self._send_next(recorded) if ours and machine.may_move(recorded) else recorded
        return None

    async def _send_next(self, operation: Operation) -> Operation:
        before = send_before()
        sending = await self._begin(operation)
        if sending is None:
            return operation
        provider = self.connections[sending.connection].provider
        return await self.send(sending, call_of(provider, intent_of(sending)), before)

    async def in_turn(self, operation: Operation) -> Operation:
        """The next step of an operation that this gateway holds, beside a bounded number of others."""
        turns = self.connections[operation.connection].turns
        try:
            async with turns:
                return await self.resume(operation)
        finally:
            if self._left_some and not turns.locked():
                self.look_now()

    async def _begin(self, operation: Operation) -> Operation | None:
        """Commits `sending`, and only then may anything leave. None: someone else has moved the fence."""

        def commit(tx: Transaction) -> Operation | None:
            sending = self.leased(tx, _sending(operation, self.now()))
            attempt = Attempt(operation=sending.id, number=sending.attempts, started_at=sending.sent_at)
            if not claim(tx, sending, attempt):
                return None
            self.audit.append(tx, sending, GATEWAY, "sending")
            return sending

        return await self.store.write(commit)

    async def record(
        self,
        operation: Operation,
        verdict: Verdict,
        attempt: Attempt | None,
        actor: str = GATEWAY,
        keeps: bool = False,
        event: str = "recorded",
    ) -> Operation:
        """Commits a verdict, its evidence and its audit entry together, if the fence still holds.

        Returns the operation as the journal then has it. `keeps`: this gateway goes on with it at once.
        Raises OverLimit where it moves to a connection whose limits it exceeds.
        """
        after = applied(operation, verdict, self.now())
        after = after if keeps else free(after)
        seen = self._observation(after, verdict.payout)
        same = (after.state, after.reason) == (operation.state, operation.reason)
        changed = not same or attempt is not None or event != "recorded"

        holders = self.limiter.of_connection(after.connection) if event == "moved" else []

        def commit(tx: Transaction) -> bool:
            take_turns(tx, holders)
            held = record(tx, after, attempt, seen)
            if held:
                refuse_over(tx, after, holders)
            if held and changed:
                self.audit.append(tx, after, actor, event)
            return held

        if not await self.store.write(commit):
            log.warning("operation %s has moved on; this result is kept as evidence only", after.id)
            return await self.store.read(lambda tx: find(tx, after.tenant, after.id)) or operation
        if attempt is not None and attempt.number == 1:
            self._finished[after.id] = attempt
        await self._tell(after, verdict)
        return msgspec.structs.replace(after, fence=after.fence + 1)

    async def work(self) -> None:
        """Goes on with whatever is due, until it is told to work no more."""
        while self.working:
            self._more.clear()
            try:
                await self._take_due()
            except JournalError as error:
                log.warning("nothing could be taken from the journal; trying again: %s", error)
                await asyncio.sleep(IDLE_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._more.wait(), IDLE_SECONDS)

    def look_now(self) -> None:
        """Something in the journal may be due: it is taken at once, where its connection has a turn free."""
        self._more.set()

    async def resume_due(self) -> None:
        """One round: takes what is due and nobody else's, and runs each to its next rest."""
        tasks = await self._take_due()
        if tasks:
            await asyncio.wait(tasks)

    async def _take_due(self) -> list[asyncio.Task[Settled | None]]:
        lease = self.knobs.lease * 1000
        # Where all turns are taken nothing is: what waits in the journal needs no lease, and no memory.
        able = [name for name in self.follows if not self.connections[name].turns.locked()]
        taken = await self.store.write(lambda tx: claim_due(tx, self.owner, CLAIM_MOST, lease, able))
        self._left_some = len(taken) == CLAIM_MOST or len(able) < len(self.follows)
        return [self.start(item.operation, self._go_on(item)) for item in taken]

    async def _go_on(self, claimed: Claimed) -> Operation:
        """A process that died while sending leaves `unknown`, never a place in the queue."""
        operation = claimed.operation
        if claimed.interrupted:
            return await self.record(operation, machine.after_crash(operation), None)
        return await self.in_turn(operation)

    async def drain(self, seconds: float | None) -> None:
        """Waits for what is being sent. What is not done then stays `sending`, and is looked up later."""
        if self.tasks:
            await asyncio.wait(self.tasks.values(), timeout=seconds)

    async def _tell(self, operation: Operation, verdict: Verdict) -> None:
        await self.coordination.wake(NEWS, operation.id)
        metrics.series(metrics.operations, operation.connection, operation.action, operation.state).inc()
        if verdict.alarm:
            metrics.alarms.labels(operation.connection, operation.reason).inc()
            log.error("operation %s needs a person: %s %s", operation.id, operation.reason, operation.detail)

    def _observation(self, operation: Operation, payout: Payout | None) -> Observation | None:
        if payout is None:
            return None
        source = f"operation {operation.id}"
        return Observation(
            connection=operation.connection, target=payout.id, at=self.now(), source=source, payout=payout
        )


def send_before() -> float:
    """The monotonic time after which a send must not begin; to be taken before `sending` is committed."""
    return time.monotonic() + SEND_WITHIN


def applied(operation: Operation, verdict: Verdict, now: int) -> Operation:
    """The operation as a verdict leaves it."""
    # Only what is proven takes a payout: one that is merely seen may be another open operation's.
    proven = verdict.payout.id if verdict.payout and verdict.state is State.SUCCEEDED else None
    return msgspec.structs.replace(
        operation,
        state=verdict.state,
        reason=verdict.reason,
        detail=verdict.detail,
        attribution=verdict.attribution,
        unsure=operation.unsure + verdict.maybe_executed,
        resends=operation.resends + verdict.resend,
        pinned=operation.pinned or verdict.pins,
        acknowledged=operation.acknowledged or verdict.acknowledged,
        step=verdict.step,
        due_at=now + verdict.delay * 1000 if verdict.step else None,
        payout=verdict.payout or operation.payout,
        target=operation.target or proven,
        updated_at=now,
    )


def _sending(operation: Operation, now: int) -> Operation:
    return msgspec.structs.replace(
        operation,
        fence=operation.fence + 1,
        state=State.SENDING,
        attempts=operation.attempts + 1,
        sent_at=now,
        due_at=None,
    )


def _finished(operation: Operation, outcome: Outcome[Any], now: int) -> Attempt:
    seen = outcome.evidence
    return Attempt(
        operation=operation.id,
        number=operation.attempts,
        started_at=operation.sent_at,
        finished_at=now,
        sent=seen.started,
        http_status=seen.status,
        outcome=type(outcome).__name__.lower(),
        detail=seen.detail,
    )
