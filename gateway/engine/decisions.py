"""What people decide of an operation: let it go or not, cancel what never left, release once more, close.

All but `cancel` are for a second person: another key than the maker's. Nobody is believed: a release looks up first,
and after a close the gateway goes on watching.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from gateway.engine import machine
from gateway.engine.errors import DecisionRefused, SamePerson
from gateway.engine.intent import call_of, intent_of
from gateway.engine.lookup import look_up
from gateway.engine.machine import Absent, Found, Verdict
from gateway.engine.running import Runner, applied, send_before
from gateway.operation import Attempt, Decision, Operation, Reason, State, Step
from gateway.store.interface import Transaction
from gateway.store.journal import claim, record
from gateway.store.leases import free
from gateway.store.limits import Holder, refuse_over, take_turns
from gateway.store.questions import attempts_of
from providers.sdk import Effect

EVENTS = {
    "approve": "approved",
    "deny": "denied",
    "cancel": "cancelled",
    "release": "released",
    "close": "closed",
}
Rule = Callable[[Operation, list[Attempt], int], Verdict]
SEEN = (Reason.CONTRADICTION, Reason.SEVERAL)  # a payout with this reference was shown: nothing is sent again


class Decisions:
    """People's decisions over the runner's operations."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.limiter = runner.limiter
        self.store = runner.store

    async def approve(self, operation: Operation, by: str, fingerprint: str) -> Operation:
        """Counts one key's approval of what the fingerprint names; the last one that is needed accepts the operation.

        Raises DecisionRefused, SamePerson, and OverLimit: then this approval was not counted.
        """
        _other_person(operation, by)
        if by in operation.approved_by:
            return operation
        _approvable(operation, fingerprint, self.runner.now())
        decision = Decision(decision="approve", by=by, at=self.runner.now())
        approved = _approved(operation, decision)
        if approved.state is not State.ACCEPTED:
            return await self._commit(approved, None, by, EVENTS["approve"])
        accepted = await self._commit(approved, None, by, EVENTS["approve"], self.limiter.of(operation))
        self.runner.start(accepted, self.runner.in_turn(accepted))
        return accepted

    async def deny(self, operation: Operation, by: str, note: str | None) -> Operation:
        """Ends what awaits approval; it is never sent. Raises DecisionRefused, SamePerson."""
        _other_person(operation, by)
        if operation.state is State.CANCELLED:
            return operation
        return await self._decide(operation, Decision(decision="deny", by=by, at=self.runner.now(), note=note), _denied)

    async def cancel(self, operation: Operation, by: str) -> Operation:
        """Ends what was never sent. Raises DecisionRefused."""
        if operation.state is State.CANCELLED:
            return operation
        return await self._decide(operation, Decision(decision="cancel", by=by, at=self.runner.now()), _cancelled)

    async def close(
        self, operation: Operation, by: str, verdict: Literal["executed", "not_executed"], note: str
    ) -> Operation:
        """Ends the waiting with a person's verdict. Raises DecisionRefused, SamePerson."""
        _other_person(operation, by)
        if operation.state is State.CLOSED:
            return operation
        decision = Decision(decision="close", by=by, at=self.runner.now(), verdict=verdict, note=note)
        return await self._decide(operation, decision, _closed)

    async def release(self, operation: Operation, by: str) -> Operation:
        """Sends once more, with the same reference, if a fresh look-up finds nothing.

        Raises DecisionRefused, SamePerson, Recovering.
        """
        _other_person(operation, by)
        self.runner.recovery.require_none()
        if operation.state is not State.NEEDS_REVIEW:
            raise DecisionRefused(f"only what needs review can be released; this is {operation.state}")
        if any(decision.decision == "release" for decision in operation.decisions):
            raise DecisionRefused("it was released before; a second time could pay twice")
        if operation.approval is not None and len(operation.approved_by) < operation.approval.approvers:
            raise DecisionRefused("it lacks approvals, and a release is none; close it, and ask for it anew")
        if operation.effect is Effect.CREATE and (operation.payout or operation.reason in SEEN):
            raise DecisionRefused("the provider has shown a payout with this reference; close it with a verdict")
        connection = self.runner.connections[operation.connection]
        if connection.state == "paused":
            raise DecisionRefused(f"{connection.name} is paused: nothing is sent; its one release is kept")
        seen = await look_up(self.runner.reader, connection, intent_of(operation))
        match seen:
            case Absent() | Found(at_target=False, reference_differs=False):
                return await self._send_again(operation, by)
            case Found():
                age = (self.runner.now() - operation.sent_at) // 1000
                return await self.runner.record(operation, machine.after_look_up(operation, seen, age), None, by)
            case _:
                raise DecisionRefused("not released: the provider did not show that there is nothing")

    async def _send_again(self, operation: Operation, by: str) -> Operation:
        now = self.runner.now()
        decision = Decision(decision="release", by=by, at=now)
        released = msgspec.structs.replace(
            operation,
            fence=operation.fence + 1,
            state=State.SENDING,
            attempts=operation.attempts + 1,
            resends=operation.resends + 1,
            sent_at=now,
            due_at=None,
            updated_at=now,
            decisions=(*operation.decisions, decision),
        )
        attempt = Attempt(operation=operation.id, number=released.attempts, started_at=now)
        before = send_before()
        released = await self._commit(released, attempt, by, EVENTS["release"])
        connection = self.runner.connections[operation.connection]
        call = call_of(connection.provider, intent_of(released))
        sent = self.runner.start(released, self.runner.send(released, call, before))
        await asyncio.wait({sent})  # hanging up cancels nothing
        # Where its outcome could not be recorded it has been sent all the same: the journal says `sending`.
        settled = None if sent.cancelled() else sent.result()
        return settled.operation if settled else released

    async def _decide(self, operation: Operation, decision: Decision, rule: Rule) -> Operation:
        attempts = await self.store.read(lambda tx: attempts_of(tx, operation.id))
        verdict = rule(operation, attempts, (decision.at - operation.sent_at) // 1000)
        after = msgspec.structs.replace(
            applied(operation, verdict, decision.at),
            fence=operation.fence + 1,
            decisions=(*operation.decisions, decision),
        )
        return await self._commit(after, None, decision.by, EVENTS[decision.decision])

    async def _commit(
        self, after: Operation, attempt: Attempt | None, by: str, event: str, holders: Sequence[Holder] = ()
    ) -> Operation:
        """Takes the operation from whoever holds it; decision and audit entry are one.

        Raises DecisionRefused, and OverLimit where it is accepted by this.
        """

        def commit(tx: Transaction) -> Operation | None:
            take_turns(tx, holders)
            held = self._held(tx, after, attempt)
            if not (claim(tx, held, attempt) and record(tx, held, None, None)):
                return None
            refuse_over(tx, held, holders)
            self.runner.audit.append(tx, after, by, event)
            return held

        held = await self.store.write(commit)
        if held is None:
            raise DecisionRefused("the operation has just moved on; look again")
        return msgspec.structs.replace(held, fence=held.fence + 1)

    def _held(self, tx: Transaction, after: Operation, attempt: Attempt | None) -> Operation:
        if after.state is State.ACCEPTED:
            return self.runner.taken(tx, after)
        return self.runner.leased(tx, after) if attempt else free(after)


def _other_person(operation: Operation, by: str) -> None:
    if operation.maker == by:
        raise SamePerson(f"{by} made this operation; another key must decide")


def _approvable(operation: Operation, fingerprint: str, now: int) -> None:
    if operation.state is not State.AWAITING_APPROVAL or operation.approval is None:
        raise DecisionRefused(f"only what awaits approval can be approved; this is {operation.state}")
    if now >= operation.approval.expires_at:
        raise DecisionRefused("its time for approval is over")
    if fingerprint != operation.fingerprint:
        raise DecisionRefused(
            "the fingerprint is not this operation's; read what it asks, and send the one shown there"
        )


def _approved(operation: Operation, decision: Decision) -> Operation:
    """With one more approval; accepted if it was the last that is needed."""
    after = msgspec.structs.replace(
        operation,
        fence=operation.fence + 1,
        decisions=(*operation.decisions, decision),
        updated_at=decision.at,
    )
    if operation.approval is None or len(after.approved_by) < operation.approval.approvers:
        return after
    return msgspec.structs.replace(after, state=State.ACCEPTED, step=Step.SEND, due_at=decision.at)


def _denied(operation: Operation, attempts: list[Attempt], age: int) -> Verdict:
    if operation.state is not State.AWAITING_APPROVAL:
        raise DecisionRefused(f"only what awaits approval can be denied; this is {operation.state}")
    return Verdict(State.CANCELLED, operation.reason, "its approval was denied; it was never sent")


def _cancelled(operation: Operation, attempts: list[Attempt], age: int) -> Verdict:
    never_sent = all(attempt.sent is False for attempt in attempts)
    if operation.state not in (State.ACCEPTED, State.AWAITING_APPROVAL) or not never_sent:
        raise DecisionRefused(f"it is {operation.state} and may have been sent; only what never left can be cancelled")
    return Verdict(State.CANCELLED, operation.reason, "cancelled before anything was sent")


def _closed(operation: Operation, attempts: list[Attempt], age: int) -> Verdict:
    if operation.state not in (State.UNKNOWN, State.NEEDS_REVIEW):
        raise DecisionRefused(f"only what is unknown or needs review can be closed; this is {operation.state}")
    if operation.effect is not Effect.CREATE and age < machine.QUARANTINE:
        raise DecisionRefused(f"it may still land; decide in {machine.QUARANTINE - age} seconds")
    return Verdict(State.CLOSED, operation.reason, operation.detail, Step.LOOK_UP, machine.REVIEW_WATCH)
