"""Accepting writes: what is refused before anything is sent, and what is journaled before it is sent."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.config import ApprovalPolicy
from gateway.engine.connection import Connection
from gateway.engine.errors import ConnectionHeld, EngineError, Unavailable
from gateway.engine.intent import CreateBody, Intent, call_of, fingerprint, intent_of
from gateway.engine.machine import REFUSED_FOR
from gateway.engine.preparing import prepared
from gateway.engine.routing import Router
from gateway.engine.running import NEWS, Runner, Settled, send_before
from gateway.keys import Caller
from gateway.operation import Attempt, Operation, Routing, State, Step
from gateway.store.interface import Accepted, JournalUnavailable, Transaction
from gateway.store.journal import accept
from gateway.store.leases import under_way
from gateway.store.limits import refuse_over, take_turns
from gateway.store.questions import find, find_by_key
from gateway.upstream import Outcome, Refused, Unclear
from providers.sdk import Call, ProviderError

POLL_SECONDS = 0.5  # between looks into the journal while no news comes: news may be lost


class Writer:
    """Takes writes into the journal and hands them to the runner."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        runner: Runner,
        router: Router,
        policies: Sequence[ApprovalPolicy],
    ) -> None:
        self.connections = connections
        self.runner = runner
        self.router = router
        self.limiter = runner.limiter
        self.policies = policies
        self.store = runner.store

    async def create(self, caller: Caller, key: str, body: CreateBody) -> Accepted:
        """Accepts a new payout for the connection that its route leads to, or the next in reserve, and starts it.

        Raises EngineError, JournalError and ProviderError; then nothing was sent.
        """
        intent = Intent(
            tenant=caller.tenant,
            maker=caller.name,
            key=key,
            fingerprint=fingerprint("POST", "/v1/payouts", body),
            action="create",
            connection="",
            body=body,
        )
        try:
            return await self.submit(await self._placed(intent, self.router.create(caller, body)))
        except (EngineError, ProviderError):
            # Whatever the routes say by now, a key that is known is answered with its operation.
            known = await self._by_key(intent)
            if known is None or known.fingerprint != intent.fingerprint:
                raise
            return Accepted(known, replayed=True)

    async def _placed(self, intent: Intent, routing: Routing) -> Intent:
        """The intent at the first of its candidates that takes it now. Where none does, the last says why."""
        while (name := routing.taken) is not None:
            intent = msgspec.structs.replace(intent, connection=name, routing=routing)
            why = await self.connections[name].closed_to(intent.action)
            if why is None:
                break
            routing = routing.dropped(name, why)
        return intent

    async def submit(self, intent: Intent) -> Accepted:
        """Accepts a write and starts it, or has it await approval.

        Raises EngineError, JournalError and ProviderError; then nothing was sent.
        """
        connection = self.connections[intent.connection]
        connection.require(intent.action)
        call = call_of(connection.provider, intent)
        operation, before = self._operation(intent, call), send_before()
        accepted = await self._accept(connection, operation)
        if not accepted.replayed and accepted.operation.state is State.SENDING:
            self.runner.start(accepted.operation, self.runner.send(accepted.operation, call, before))
        return accepted

    async def queue(self, intent: Intent) -> Accepted:
        """Accepts a write that waits in the journal for its turn, as `accepted`: whichever gateway has one takes it."""
        connection = self.connections[intent.connection]
        connection.require(intent.action)
        operation = self._operation(intent, call_of(connection.provider, intent))
        if operation.state is State.SENDING:
            operation = msgspec.structs.replace(operation, state=State.ACCEPTED, attempts=0, step=Step.SEND)
        accepted = await self._accept(connection, operation)
        if not accepted.replayed:
            self.runner.look_now()
        return accepted

    async def submit_together(self, intents: Sequence[Intent], call: Call[Any]) -> list[Accepted | Exception]:
        """Accepts several writes that one provider call carries. Each id is read afterwards, whatever it answers."""
        connection = self.connections[intents[0].connection]
        operations, before = [self._operation(intent, call) for intent in intents], send_before()
        results = await asyncio.gather(
            *(self._accept(connection, operation) for operation in operations), return_exceptions=True
        )
        accepted = [result if isinstance(result, (Accepted, Exception)) else _raised(result) for result in results]
        begun = [item.operation for item in accepted if isinstance(item, Accepted) and not item.replayed]
        fresh = [operation for operation in begun if operation.state is State.SENDING]
        if len(fresh) == len(operations):
            sent = asyncio.ensure_future(connection.send(call, before))
            for operation in fresh:
                self.runner.start(operation, self._finish(operation, sent))
        else:  # the body names ids that must not go out again: each of the others goes alone
            for operation in fresh:
                single = call_of(connection.provider, intent_of(operation))
                self.runner.start(operation, self.runner.send(operation, single, before))
        return accepted

    async def settle(self, operation: Operation, wait: float) -> Settled:
        """The operation as it stands when its send has an outcome, or after `wait` seconds, whoever sends it."""
        task = self.runner.tasks.get(operation.id)
        if task is not None and wait > 0:
            await asyncio.wait({task}, timeout=wait)
            if task.done() and not task.cancelled() and (settled := task.result()):
                return settled
        try:
            return Settled(await self._news_of(operation, 0.0 if task else wait))
        except JournalUnavailable:  # it is accepted, and perhaps sent: the caller must not be told otherwise
            return Settled(operation)

    async def settle_all(self, tenant: str, key: str, wait: float) -> None:
        """Returns when none of the key's operations is on its way any more, or after `wait` seconds.

        Raises JournalUnavailable.
        """
        until = time.monotonic() + wait
        with self.runner.coordination.subscribe(NEWS) as news:
            while moving := await self.store.read(lambda tx: under_way(tx, tenant, key)):
                left = until - time.monotonic()
                if left <= 0:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, POLL_SECONDS)):
                        for _ in range(moving):  # each of them has news before all are at rest
                            await news.next()

    async def _news_of(self, operation: Operation, wait: float) -> Operation:
        """Reads the journal until the operation is no longer being sent by another gateway."""
        until = time.monotonic() + wait
        with self.runner.coordination.subscribe(NEWS) as news:
            while True:
                latest = await self.store.read(lambda tx: find(tx, operation.tenant, operation.id)) or operation
                left = until - time.monotonic()
                if latest.state is not State.SENDING or left <= 0:
                    return latest
                await news.next(min(left, POLL_SECONDS))

    def _operation(self, intent: Intent, call: Call[Any]) -> Operation:
        return prepared(intent, call, self.router.version, self.policies, self.runner.now())

    async def _accept(self, connection: Connection, operation: Operation) -> Accepted:
        closed = await connection.closed_to(operation.action)
        if self.runner.recovery.why or closed:
            return await self._replay_or_refuse(operation, closed)
        holders = self.limiter.of(operation)
        if any(holder.limits.rate for holder in holders) and await self._by_key(operation) is None:
            await self.limiter.take(holders)
        attempt = None
        if operation.state is State.SENDING:
            attempt = Attempt(operation=operation.id, number=1, started_at=operation.created_at)

        def commit(tx: Transaction) -> Accepted:
            take_turns(tx, holders)
            waits = operation.state is State.AWAITING_APPROVAL
            taken = self.runner.taken if attempt else self.runner.queued
            accepted = accept(tx, operation if waits else taken(tx, operation), attempt)
            if not accepted.replayed:
                refuse_over(tx, accepted.operation, holders)
                self.runner.audit.append(tx, operation, operation.maker, "submitted" if waits else "accepted")
            return accepted

        try:
            return await self.store.write(commit)
        except JournalUnavailable:
            return await self._after_lost_commit(operation)

    async def _replay_or_refuse(self, operation: Operation, closed: str | None) -> Accepted:
        known = await self._by_key(operation)
        if known is None or known.fingerprint != operation.fingerprint:
            self.runner.recovery.require_none()
            raise ConnectionHeld(operation.connection, closed or "")
        return Accepted(known, replayed=True)

    async def _after_lost_commit(self, operation: Operation) -> Accepted:
        """A commit that errs may have happened: only the row itself can tell."""
        try:
            known = await self._by_key(operation)
        except JournalUnavailable:
            known = None
        if known is None:
            raise Unavailable("the journal could not take the operation; send it again with the same key")
        # Ours, and nobody has taken it over meanwhile: only then may we go on with it.
        return Accepted(known, replayed=(known.id, known.fence) != (operation.id, operation.fence))

    async def _by_key(self, operation: Operation | Intent) -> Operation | None:
        return await self.store.read(lambda tx: find_by_key(tx, operation.tenant, operation.key, operation.item))

    async def _finish(self, operation: Operation, sent: asyncio.Future[Outcome[Any]]) -> Operation:
        outcome = await asyncio.shield(sent)
        if isinstance(outcome, Refused) and outcome.refusal.kind in REFUSED_FOR:
            # Of a bulk call that was refused a part may have been executed: each id is read.
            outcome = Unclear(outcome.evidence)
        return await self.runner.conclude(operation, outcome)


def _raised(error: BaseException) -> Exception:
    raise error
