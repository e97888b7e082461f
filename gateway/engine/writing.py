"""The way of a write: accept in the journal, send once, record, look up what is not proven.

The last commit before any send has the state `sending`. What a caller does meanwhile, hanging up included,
changes nothing: each operation runs in a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec

from gateway import metrics
from gateway.engine import machine
from gateway.engine.connection import Connection
from gateway.engine.errors import ConnectionHeld, Unavailable
from gateway.engine.intent import CreateBody, Intent, call_of, intent_of
from gateway.engine.lookup import look_up
from gateway.engine.machine import Verdict
from gateway.engine.reading import Reader
from gateway.operation import Attempt, Observation, Operation, State, Step
from gateway.store.journal import (
    Accepted,
    JournalUnavailable,
    Store,
    accept,
    claim,
    due,
    find,
    find_by_key,
    left_sending,
    record,
)
from gateway.upstream import Outcome
from providers.sdk import Call, Payout

log = logging.getLogger("gateway.operations")

CLAIM_SECONDS = 60  # how long a claimed look-up is nobody else's
IDLE_SECONDS = 1.0  # how often the journal is asked for what is due


class Writer:
    """Runs operations of all connections over one journal."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        store: Store,
        reader: Reader,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.connections = connections
        self.store = store
        self.reader = reader
        self.clock = clock
        self.running: dict[str, asyncio.Task[Operation]] = {}
        self.stopping = False

    async def submit(self, intent: Intent) -> Accepted:
        """Accepts a write and starts it. Raises EngineError, JournalError and ProviderError; then nothing was sent."""
        connection = self.connections[intent.connection]
        connection.require(intent.action)
        call = call_of(connection.provider, intent)
        operation = self._operation(intent, call)
        accepted = await self._accept(connection, operation)
        if not accepted.replayed:
            self._start(operation, self._send(operation, call))
        return accepted

    async def queue(self, intent: Intent) -> Accepted:
        """Accepts a write that waits for its turn among many. It survives a crash as `accepted`: never sent."""
        connection = self.connections[intent.connection]
        connection.require(intent.action)
        operation = self._operation(intent, call_of(connection.provider, intent))
        waiting = msgspec.structs.replace(
            operation, state=State.ACCEPTED, attempts=0, step=Step.SEND, due_at=operation.created_at
        )
        accepted = await self._accept(connection, waiting)
        if not accepted.replayed:
            self._start(waiting, self._in_turn(waiting))
        return accepted

    async def submit_together(self, intents: Sequence[Intent], call: Call[Any]) -> list[Accepted | Exception]:
        """Accepts several writes that one provider call carries. Each id is read afterwards, whatever it answers."""
        connection = self.connections[intents[0].connection]
        operations = [self._operation(intent, call) for intent in intents]
        results = await asyncio.gather(
            *(self._accept(connection, operation) for operation in operations), return_exceptions=True
        )
        accepted = [result if isinstance(result, (Accepted, Exception)) else _reraise(result) for result in results]
        fresh = [item.operation for item in accepted if isinstance(item, Accepted) and not item.replayed]
        if len(fresh) == len(operations):
            sent = asyncio.ensure_future(connection.send(call))
            for operation in fresh:
                self._start(operation, self._finish(operation, sent))
        else:  # the body names ids that must not go out again: each of the others goes alone
            for operation in fresh:
                single = call_of(connection.provider, intent_of(operation))
                self._start(operation, self._send(operation, single))
        return accepted

    async def settle(self, operation: Operation, wait: float) -> Operation:
        """The operation as it stands when it is done, or after `wait` seconds."""
        task = self.running.get(operation.id)
        if task is not None and wait > 0:
            await asyncio.wait({task}, timeout=wait)
            if task.done() and not task.cancelled() and task.exception() is None:
                return task.result()
        latest = await self.store.read(lambda tx: find(tx, operation.tenant, operation.id))
        return latest or operation

    async def recover(self) -> None:
        """What a dead process left in `sending` becomes unknown, never queued again."""
        for operation in await self.store.read(left_sending):
            await self._record(operation, machine.after_crash(operation), None)

    async def work(self) -> None:
        """Goes on with whatever is due, until cancelled."""
        while True:
            try:
                await self.resume_due()
            except JournalUnavailable:
                log.exception("the journal is unavailable")
            await asyncio.sleep(IDLE_SECONDS)

    async def resume_due(self) -> None:
        """One round: takes what is due now and runs each to its next rest."""
        now = self._now()
        tasks = []
        for operation in await self.store.read(lambda tx: due(tx, now, 100)):
            if operation.id not in self.running and operation.connection in self.connections:
                tasks.append(self._start(operation, self._resume(operation)))
        if tasks:
            await asyncio.wait(tasks)

    async def drain(self, seconds: float) -> None:
        """Waits for what is being sent. What is not done then stays `sending`, and is looked up at the next start."""
        if self.running:
            await asyncio.wait(self.running.values(), timeout=seconds)

    def _operation(self, intent: Intent, call: Call[Any]) -> Operation:
        now = self._now()
        creating = intent.body if isinstance(intent.body, CreateBody) else None
        amount = creating.amount if creating else None
        reference = getattr(intent.body, "reference", None)
        return Operation(
            id=new_id(now),
            tenant=intent.tenant,
            maker=intent.maker,
            key=intent.key,
            item=intent.item,
            fingerprint=intent.fingerprint,
            action=intent.action,
            kind=intent.kind,
            connection=intent.connection,
            effect=call.effect,
            target=intent.target,
            request=msgspec.json.encode(intent.body, order="deterministic").decode(),
            reference=reference,
            provider_reference=call.reference,
            currency=amount.currency if amount else None,
            minor_units=amount.minor_units if amount else None,
            carried=call.carried,
            state=State.SENDING,
            attempts=1,
            sent_at=now,
            created_at=now,
            updated_at=now,
        )

    async def _accept(self, connection: Connection, operation: Operation) -> Accepted:
        if not await connection.usable():
            return await self._replay_or_refuse(connection, operation)
        sending = operation.state is State.SENDING
        attempt = Attempt(operation=operation.id, number=1, started_at=operation.created_at) if sending else None
        try:
            return await self.store.write(lambda tx: accept(tx, operation, attempt))
        except JournalUnavailable:
            return await self._after_lost_commit(operation)

    async def _replay_or_refuse(self, connection: Connection, operation: Operation) -> Accepted:
        known = await self._by_key(operation)
        if known is None or known.fingerprint != operation.fingerprint:
            raise ConnectionHeld(connection.name)
        return Accepted(known, replayed=True)

    async def _after_lost_commit(self, operation: Operation) -> Accepted:
        """A commit that errs may have happened: only the row itself can tell."""
        known = await self._by_key(operation)
        if known is None:
            raise Unavailable("the journal could not take the operation; send it again with the same key")
        return Accepted(known, replayed=known.id != operation.id)

    async def _by_key(self, operation: Operation) -> Operation | None:
        return await self.store.read(lambda tx: find_by_key(tx, operation.tenant, operation.key, operation.item))

    def _start(self, operation: Operation, work: Any) -> asyncio.Task[Operation]:
        task: asyncio.Task[Operation] = asyncio.ensure_future(work)
        self.running[operation.id] = task
        task.add_done_callback(lambda done: self._done(operation.id, done))
        return task

    def _done(self, id: str, task: asyncio.Task[Operation]) -> None:
        self.running.pop(id, None)
        if not task.cancelled() and task.exception() is not None:
            # The journal says `sending`: the next start, or the resolver, looks up what became of it.
            log.error("operation %s was interrupted", id, exc_info=task.exception())

    async def _send(self, operation: Operation, call: Call[Any]) -> Operation:
        outcome = await self.connections[operation.connection].send(call)
        return await self._conclude(operation, outcome)

    async def _in_turn(self, operation: Operation) -> Operation:
        async with self.connections[operation.connection].turns:
            return await self._resume(operation)

    async def _finish(self, operation: Operation, sent: asyncio.Future[Outcome[Any]]) -> Operation:
        return await self._conclude(operation, await asyncio.shield(sent))

    async def _conclude(self, operation: Operation, outcome: Outcome[Any]) -> Operation:
        verdict = machine.after_send(operation, outcome)
        if verdict.hold:
            self.connections[operation.connection].hold(verdict.detail)
        operation = await self._record(operation, verdict, _finished(operation, outcome, self._now()))
        if operation.step is Step.LOOK_UP and verdict.delay == 0:
            operation = await self._look_up(operation)
        return operation

    async def _look_up(self, operation: Operation) -> Operation:
        connection = self.connections[operation.connection]
        seen = await look_up(self.reader, connection, intent_of(operation))
        age = (self._now() - operation.sent_at) // 1000
        return await self._record(operation, machine.after_look_up(operation, seen, age), None)

    async def _resume(self, operation: Operation) -> Operation:
        """Takes an operation that is due, unless another process took it first, and does its next step."""
        sends = operation.step is Step.SEND
        connection = self.connections[operation.connection]
        if not await connection.usable():
            return operation
        claimed = msgspec.structs.replace(
            operation,
            fence=operation.fence + 1,
            state=State.SENDING if sends else operation.state,
            attempts=operation.attempts + sends,
            due_at=None if sends else self._now() + CLAIM_SECONDS * 1000,
            sent_at=self._now() if sends else operation.sent_at,
        )
        attempt = Attempt(operation=operation.id, number=claimed.attempts, started_at=self._now()) if sends else None
        if not await self.store.write(lambda tx: claim(tx, claimed, attempt)):
            return operation
        if not sends:
            return await self._look_up(claimed)
        return await self._send(claimed, call_of(connection.provider, intent_of(claimed)))

    async def _record(self, operation: Operation, verdict: Verdict, attempt: Attempt | None) -> Operation:
        after = _applied(operation, verdict, self._now())
        metrics.operations.labels(after.connection, after.action, after.state).inc()
        if verdict.alarm:
            metrics.alarms.labels(after.connection, after.reason).inc()
            log.error("operation %s needs a person: %s %s", after.id, after.reason, after.detail)
        seen = self._observation(after, verdict.payout)
        if not await self.store.write(lambda tx: record(tx, after, attempt, seen)):
            log.warning("operation %s has moved on; this result is kept as evidence only", after.id)
        return after

    def _observation(self, operation: Operation, payout: Payout | None) -> Observation | None:
        if payout is None:
            return None
        source = f"operation {operation.id}"
        return Observation(
            connection=operation.connection, target=payout.id, at=self._now(), source=source, payout=payout
        )

    def _now(self) -> int:
        return int(self.clock() * 1000)


def _applied(operation: Operation, verdict: Verdict, now: int) -> Operation:
    target = operation.target or (verdict.payout.id if verdict.payout else None)
    return msgspec.structs.replace(
        operation,
        state=verdict.state,
        reason=verdict.reason,
        detail=verdict.detail,
        attribution=verdict.attribution,
        unsure=operation.unsure + verdict.maybe_executed,
        acknowledged=operation.acknowledged or verdict.acknowledged,
        step=verdict.step,
        due_at=now + verdict.delay * 1000 if verdict.step else None,
        payout=verdict.payout or operation.payout,
        target=target,
        updated_at=now,
    )


def _finished(operation: Operation, outcome: Outcome[Any], now: int) -> Attempt:
    seen = outcome.evidence
    return Attempt(
        operation=operation.id,
        number=operation.attempts,
        started_at=now - seen.milliseconds,
        finished_at=now,
        sent=seen.started,
        http_status=seen.status,
        outcome=type(outcome).__name__.lower(),
        detail=seen.detail,
    )


def _reraise(error: BaseException) -> Exception:
    raise error


def new_id(now: int) -> str:
    """An id that grows with time: 48 bits of milliseconds, then random."""
    return f"op_{now:012x}{uuid4().hex[:20]}"
