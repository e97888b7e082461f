"""Simulated schedules: the real state machine, under a virtual clock, in a world where everything goes wrong.

One seed is one schedule. A model journal, a model provider and several model gateways take the steps of the real ones
(`gateway/engine/running.py`, `writing.py`, `decisions.py`) around the real pure functions; between any two steps a
process may die or stand still. What is not random is the checker: it compares what the provider did with the journal.

    python -m tests.battery.schedules --count 1000000        the full run
    python -m tests.battery.schedules --seed 42 --count 1    one schedule again, event by event
"""

from __future__ import annotations

import heapq
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple, TypeVar

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.engine.machine import (
    QUARANTINE,
    Absent,
    Differs,
    Found,
    LookUp,
    LookUpFailed,
    Several,
    Verdict,
    may_move,
    postponed,
)
from gateway.engine.running import SEND_WITHIN, applied
from gateway.operation import Candidate, Decision, Operation, Reason, Routing, State, Step
from gateway.upstream import Answered, Contradicted, Evidence, NotSent, Outcome, Refused, Unclear
from providers.sdk import Effect, Money, Payout, PayoutStatus, Refusal, RefusalKind
from tests.battery.checker import Execution, Move, Told, Violation, check, slot_of, stuck
from tests.battery.guards import GUARDS, NONE_REMOVED, Guard, Rules
from tests.battery.result import Result as BatteryResult
from tests.battery.result import result_of

T = TypeVar("T")
Steps = Generator[int, None, T]  # yields milliseconds until the next step
CREATE, GUARDED, CONVERGENT = Effect.CREATE, Effect.GUARDED, Effect.CONVERGENT

SECOND, HOUR = 1000, 3_600_000
LEASE = 50 * SECOND  # a send and its margin fit; one more second after 60 s would be late
SIGNATURE = 60 * SECOND
HANGS = 30 * SECOND  # what a connection waits for an answer
UNSTUCK = 60 * SECOND
REVIEW = HOUR + 310 * SECOND  # by then a watch has looked again

AMOUNT, PAYEE = Money("GBP", 1023), "Test Supplier"
WRONG = Money("GBP", 1032)
REQUEST = '{"payee":{"name":"Test Supplier"}}'
FREE = (State.REJECTED, State.EXPIRED, State.CANCELLED)  # they leave their reference to others
RANK = {"process": 1, "complete": 2}

CHUNK = 1000
KEPT, SHOWN = 20, 3  # seeds that broke something
TITLES = {
    "faults": "faults injected",
    "states": "operations by final state",
    "limits": "executions beyond what can be promised",
    "violations": "violations",
}


class JournalDown(Exception):
    """A commit or a read that erred; what was committed may stand."""


class Busy(Exception):
    """Another operation stands in the way."""


def unclear(detail: str, status: int | None = None) -> Unclear:
    return Unclear(Evidence(True, status, detail))


def refused(kind: RefusalKind, status: int, retry_after: int | None = None) -> Refused:
    return Refused(Evidence(True, status), Refusal(kind, status, retry_after=retry_after))


UNSENT, TOO_LATE = (NotSent(Evidence(False, None, name)) for name in ("ConnectError", "too late to send"))
UNCLEAR = tuple(unclear(name) for name in ("ReadError", "ReadTimeout", "ConnectTimeout", "junk"))
UNAVAILABLE, BROKEN = unclear("503", 503), unclear("502", 502)
INVALID = refused(RefusalKind.INVALID, 422)
NOT_FOUND = refused(RefusalKind.NOT_FOUND, 404)
CONFLICT = refused(RefusalKind.CONFLICT, 409)
UNAUTHORIZED = refused(RefusalKind.CREDENTIALS, 401)
LIMITED = tuple(refused(RefusalKind.RATE_LIMITED, 429, seconds) for seconds in (None, 1, 30, 120))
CONTRADICTS = Contradicted(Evidence(True, 200, "the reply contradicts the request in: amount"))
ACCEPTED_IT = Answered(Evidence(True, 200), None)

TEMPLATE = Operation(
    id="", tenant="t", maker="maker", key="", fingerprint="f", action="create", kind="payout", connection="c",
    effect=CREATE, request=REQUEST, state=State.SENDING, attempts=1, sent_at=0, created_at=0, updated_at=0,
)  # fmt: skip

FIRST, SECOND_CHOICE = "c", "d"  # the credentials of the first may fail; the second stands in reserve
IN_RESERVE = Routing(candidates=(Candidate(FIRST, "taken", ""), Candidate(SECOND_CHOICE, "reserve", "")))

MARK_FAULTS = (
    "unsent", "answer_lost", "failed_before", "failed_after", "late", "refused", "limited", "unauthorized", "hang",
    "contradicted",
)  # fmt: skip
CREATE_FAULTS = (*MARK_FAULTS, "other_amount", "refused_but_executed", "limited_but_executed")


class Want(NamedTuple):
    """What a caller asks for, under one key."""

    key: str
    action: str
    target: str | None
    reference: str | None
    queued: bool


class Done(NamedTuple):
    """One execution at the provider. `checked`: when the gateway last made sure that it might still send."""

    operation: Operation
    attempt: int
    at: int
    checked: int
    amount: Money
    changed: bool
    generation: int
    lie: bool  # the provider answered that it would not


class Journal:
    """The SQL store: what is in here is true. Its clock is the world's."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: dict[str, Operation] = {}
        self.sent: dict[tuple[str, int], bool | None] = {}  # attempts, as Attempt.sent
        self.claims: dict[str, str] = {}  # the lossy store of keys, if that is where they are claimed
        self.refusals: Counter[str] = Counter()

    def find(self, key: str) -> Operation | None:
        if not self.world.rules.claims_in_sql:
            return self.rows.get(self.claims.get(key, ""))
        return next((row for row in self.rows.values() if row.key == key), None)

    def accept(self, operation: Operation) -> tuple[Operation, bool]:
        earlier = self.find(operation.key)
        if earlier is not None:
            return earlier, True
        if self._in_the_way(operation) or self._leads_back(operation):
            raise Busy
        self.claims[operation.key] = operation.id
        self.put(operation)
        return operation, False

    def row(self, id: str) -> Operation:
        """Raises JournalDown where a store has lost it, which only happens without a guard."""
        if id not in self.rows:
            raise JournalDown
        return self.rows[id]

    def claim_due(self) -> list[tuple[Operation, bool]]:
        """What is due and nobody's, with its fence moved on; True where someone left it in `sending`."""
        taken = []
        for row in list(self.rows.values()):
            due = due_time(row, self.world.rules)
            if due is not None and due <= self.world.now:
                interrupted = row.state is State.SENDING
                moves = not interrupted or self.world.rules.take_over_moves_fence
                self.put(msgspec.structs.replace(row, fence=row.fence + moves, lease_until=self.world.now + LEASE))
                taken.append((self.rows[row.id], interrupted))
        return taken

    def claim(self, sending: Operation) -> bool:
        """The commit before a send."""
        row = self.row(sending.id)
        if row.fence != sending.fence - 1 and self.world.rules.claims_compare_fences:
            return False
        self.put(
            msgspec.structs.replace(
                row, fence=row.fence + 1, state=State.SENDING, attempts=sending.attempts, sent_at=sending.sent_at,
                due_at=None, lease_until=self.world.now + LEASE,
            )
        )  # fmt: skip
        self.sent[sending.id, sending.attempts] = None
        return True

    def end_leases(self) -> None:
        """At the start of the only gateway, every lease is a dead one's."""
        for row in list(self.rows.values()):
            if row.lease_until is not None:
                self.rows[row.id] = msgspec.structs.replace(row, lease_until=0)

    def record(self, after: Operation, attempt: int | None, sent: bool) -> bool:
        """False where the fence has moved on: the attempt's evidence is kept, the verdict is not applied."""
        if attempt is not None:
            self.sent[after.id, attempt] = sent
        row, rules = self.row(after.id), self.world.rules
        if row.fence != after.fence and rules.records_compare_fences:
            return False
        if self._in_the_way(after):
            self.refusals[after.id] += 1
            raise JournalDown
        self.put(msgspec.structs.replace(after, fence=row.fence + rules.records_move_fences, lease_until=None))
        return True

    def put(self, row: Operation) -> None:
        before = self.rows.get(row.id)
        self.rows[row.id] = row
        if before is None:
            self.sent[row.id, 1] = None
        elif before.state is not row.state:
            self.world.moves.append(Move(row.id, before.state, row.state, self.world.now))
        if self.world.trace is not None:
            self.world.say("journal", f"{row.id} {row.state} {row.reason} step={row.step} fence={row.fence}")
        self.world.poke(row)
        entered = before is None or before.state is not row.state
        self.world.ask_a_person(row, (0.6 if row.state is State.NEEDS_REVIEW else 0.15) if entered else 0.05)

    def successor(self, operation: Operation) -> Operation | None:
        """The other create of ours that holds the reference by now."""
        others = (row for row in self.rows.values() if row.reference == operation.reference and row.id != operation.id)
        return next((row for row in others if row.state not in FREE), None)

    def _in_the_way(self, operation: Operation) -> bool:
        """The unique indexes on references and on targets."""
        others = [row for row in self.rows.values() if row.id != operation.id]
        rules = self.world.rules
        if operation.effect is CREATE:
            if operation.state in FREE or not rules.unique_references:
                return False
            return any(row.reference == operation.reference and row.state not in FREE for row in others)
        if not operation.is_open or not rules.one_open_write:
            return False
        return any(row.target == operation.target and row.is_open for row in others)

    def _leads_back(self, operation: Operation) -> bool:
        if operation.target is None:
            return False
        rank = RANK[operation.action]
        rows = self.rows.values()
        return any(r.target == operation.target and r.state is State.SUCCEEDED and RANK[r.action] > rank for r in rows)


class Provider:
    """One payout system: what it did, and what it shows of that."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.done: list[Done] = []
        self.foreign: dict[str, int] = {}  # references that someone else used, for another amount
        self.history: dict[str, list[tuple[int, int]]] = {}  # target: since when in which state
        self.generation = 0
        self.refuses_us = (0, 0)  # while our credentials do not work

    def receive(self, operation: Operation, checked: int, expires: int) -> tuple[int, Outcome[Any]]:
        """One request that leaves the gateway now: how long until its outcome is known, and what that is."""
        world = self.world
        wait = 20 + int(world.rng.random() * 200)
        if self._refuses(operation) or (world.expiry and world.now > expires):
            return wait, UNAUTHORIZED
        fault = world.fault_of_send(operation)
        if fault is None:
            return wait, self._answer(operation, checked)
        world.count(fault)
        if fault == "hang":
            world.rng.random() < 0.5 and self._answer(operation, checked)
            return HANGS, UNCLEAR[1]
        return wait, self._meet(fault, operation, checked, expires)

    def _refuses(self, operation: Operation) -> bool:
        return operation.connection == FIRST and self.refuses_us[0] <= self.world.now < self.refuses_us[1]

    def _meet(self, fault: str, operation: Operation, checked: int, expires: int) -> Outcome[Any]:  # noqa: C901
        rng = self.world.rng
        if fault == "unsent":
            return UNSENT
        if fault == "answer_lost":
            self._answer(operation, checked)
            return UNCLEAR[int(rng.random() * 4)]
        if fault == "failed_before":
            return UNAVAILABLE if rng.random() < 0.5 else BROKEN
        if fault == "failed_after":
            self._answer(operation, checked)
            return UNAVAILABLE if rng.random() < 0.5 else BROKEN
        if fault == "late":
            self._later(operation, checked, expires, self.world.lateness(), False)
            return UNAVAILABLE if rng.random() < 0.3 else UNCLEAR[int(rng.random() * 4)]
        if fault == "refused":
            return INVALID if rng.random() < 0.5 else NOT_FOUND
        if fault == "limited":
            return LIMITED[int(rng.random() * 4)]
        if fault == "unauthorized":
            return UNAUTHORIZED
        if fault == "contradicted":
            answer = self._answer(operation, checked)
            return CONTRADICTS if isinstance(answer, Answered) else answer
        if fault == "other_amount":
            self._execute(operation, checked, amount=WRONG)
            return CONTRADICTS if rng.random() < 0.5 else UNCLEAR[0]
        if fault == "refused_but_executed":
            self._later(operation, checked, expires, 0 if rng.random() < 0.5 else self.world.lateness(), True)
            return INVALID
        # The door says 429 while the request stays in its queue, for less than the signature's life.
        self._later(operation, checked, expires, int(rng.random() * 20 * SECOND), False)
        return LIMITED[int(rng.random() * 4)]

    def _answer(self, operation: Operation, checked: int) -> Outcome[Any]:
        if not self._execute(operation, checked):
            return CONFLICT
        return ACCEPTED_IT

    def _later(self, operation: Operation, checked: int, expires: int, delay: int, lie: bool) -> None:
        def execute() -> None:
            if not (self.world.expiry and self.world.now > expires):
                self._execute(operation, checked, lie=lie)

        self.world.late = max(self.world.late, self.world.now + delay)
        self.world.at(self.world.now + delay, execute)

    def _execute(self, operation: Operation, checked: int, amount: Money = AMOUNT, lie: bool = False) -> bool:
        """False where the provider's own state machine refuses."""
        now, changed = self.world.now, True
        if operation.target is not None and operation.effect is not CREATE:
            history, state = self.history[operation.target], RANK[operation.action]
            if operation.effect is GUARDED and history[-1][1] != state - 1:
                return False
            changed = history[-1][1] != state
            if changed:
                history.append((now, state))
        self.done.append(Done(operation, operation.attempts, now, checked, amount, changed, self.generation, lie))
        if self.world.trace is not None:
            self.world.say("provider", f"executed {operation.id} attempt {operation.attempts} changed={changed}")
        return True

    def meddle(self, target: str, state: int) -> None:
        """Someone else changes a payout in the provider's own dashboard."""
        self.generation += 1
        self.history[target].append((self.world.now, state))
        self.world.count("someone_else")

    def show(self, operation: Operation) -> LookUp:
        """What a look-up answers: a replica may be behind."""
        world = self.world
        if self._refuses(operation) or world.fails("look_up"):
            return LookUpFailed("503")
        as_of = world.now
        if world.read_lag and world.rng.random() < 0.5:
            as_of -= int(world.rng.random() * world.read_lag)
            world.count("read_lag")
        if operation.target is not None and operation.effect is not CREATE:
            state = next(state for since, state in reversed(self.history[operation.target]) if since <= as_of)
            return Found(None, at_target=state == RANK[operation.action])
        return self._find(operation, as_of)

    def _find(self, operation: Operation, as_of: int) -> LookUp:
        here = (each for each in self.done if each.operation.connection == operation.connection)
        mine = [each for each in here if each.operation.reference == operation.reference and each.at <= as_of]
        foreign = self.foreign.get(operation.reference or "", self.world.end) <= as_of
        if foreign or any(each.amount != AMOUNT for each in mine):
            return Differs("the reply contradicts the request in: amount")
        if len(mine) > 1:
            return Several()
        payout = Payout(id=f"po:{operation.reference}", status=PayoutStatus.COMPLETED, provider_status="completed")
        return Found(payout, at_target=True) if mine else Absent()


class Gateway:
    """One gateway process: it takes the steps of Runner, Writer and Decisions. A yield is where it can die or stall."""

    def __init__(self, world: World, number: int, skew: int) -> None:
        self.world = world
        self.number = number
        self.skew = skew  # its clock against the database's
        self.epoch = 0
        self.alive = True
        self.paused_until = 0
        self.going_on = 0  # tasks of the round of due work that is under way
        self.next_poll: int | None = None
        self.held = False
        self.probed_at = -HOUR

    def clock(self) -> int:
        return self.world.now + self.skew

    def start(self, work: Steps[Any], due: bool = False) -> None:
        self.going_on += due
        self.world.spawn(self, self._task(work, due))

    def _task(self, work: Steps[Any], due: bool) -> Steps[None]:
        try:
            yield from work
        except JournalDown:
            self.world.count("task_interrupted")
        if due:
            self.going_on -= 1
            if not self.going_on:
                self.world.wake(self, self.world.now + 500)

    def restart(self) -> None:
        self.alive, self.going_on, self.held, self.next_poll = True, 0, False, None
        if self.world.machines == 1:
            self.world.journal.end_leases()
        self.world.wake(self, self.world.now)

    # The journal, through a connection that may break before or after a commit.

    def commit(self, work: Callable[[], T]) -> Steps[T]:
        world = self.world
        yield 2
        lost = world.fails("commit")
        if lost and world.rng.random() < 0.5:
            world.count("commit_failed")
            raise JournalDown
        result = work()
        yield 2
        if lost:
            world.count("commit_lost")
            raise JournalDown
        return result

    def read(self, id: str) -> Steps[Operation]:
        yield 1
        if self.world.fails("read"):
            raise JournalDown
        return self.world.journal.row(id)

    # Writer

    def submit(self, want: Want) -> Steps[None]:
        world, rules, journal = self.world, self.world.rules, self.world.journal
        operation = world.new_operation(want, self)
        if not (yield from self.usable(operation)) and journal.find(want.key) is None:
            if not operation.routing.reserve:
                return  # 503, nothing recorded
            operation = _moved(operation)
        before = world.now + int(SEND_WITHIN * 1000)
        if not rules.commits_first:
            yield from self._send_first(operation)
            return
        if not rules.answers_after_commit:
            world.accepted.add(slot_of(operation))
        try:
            row, replayed = yield from self.commit(lambda: journal.accept(operation))
        except Busy:
            return
        except JournalDown:
            if rules.rereads_lost_commits:
                yield 2
                known = None if world.fails("read") else journal.find(want.key)
                if known is None:
                    world.again(want)
                    return
                row, replayed = (operation if rules.lost_commit_keeps_fence else known), known.id != operation.id
            else:
                row, replayed = operation, False
        world.accepted.add(slot_of(row))
        if not replayed:
            work = self.resume(row) if want.queued else self.send(row, before)
            self.start(self._told(row.id, work))

    def _send_first(self, operation: Operation) -> Steps[None]:
        """What no gateway may do: the journal hears of it when it is over."""
        world = self.world
        if world.journal.find(operation.key) is not None:
            return
        wait, outcome = world.provider.receive(operation, world.now, self.clock() + SIGNATURE)
        yield wait
        try:
            _, replayed = yield from self.commit(lambda: world.journal.accept(operation))
        except (Busy, JournalDown):
            return
        if not replayed:
            self.start(self.conclude(operation, outcome))

    def _told(self, id: str, work: Steps[Operation]) -> Steps[None]:
        told = yield from work
        self.world.told.append(Told(id, told.state))

    # Runner

    def send(self, operation: Operation, before: int) -> Steps[Operation]:
        world = self.world
        if world.rules.deadline == "of_send":
            before = world.now + int(SEND_WITHIN * 1000)
        yield 5  # a token is minted, the pool is waited for
        outcome: Outcome[Any] = TOO_LATE
        if world.now <= before or world.rules.deadline == "none":
            checked = world.now
            yield 5  # the connection is made
            wait, outcome = world.provider.receive(operation, checked, checked + self.skew + SIGNATURE)
            yield wait
        return (yield from self.conclude(operation, world.rules.classify(outcome)))

    def conclude(self, operation: Operation, outcome: Outcome[Any]) -> Steps[Operation]:
        world = self.world
        verdict = world.rules.after_send(operation, outcome)
        if operation.connection == FIRST:
            self.held = (self.held and not isinstance(outcome, Answered)) or verdict.hold
        if verdict.elsewhere and operation.routing.reserve:
            return (yield from self.go_elsewhere(operation, operation.attempts))
        after, held = yield from self.record(operation, verdict, operation.attempts, outcome.evidence.started)
        if held and after.step is Step.LOOK_UP and verdict.delay == 0:
            after = yield from self.look_up(after)
        return after

    def look(self, operation: Operation) -> Steps[LookUp]:
        hangs = self.world.fails("hanging_look_up")
        yield HANGS if hangs else 30
        seen = LookUpFailed("ReadTimeout") if hangs else self.world.provider.show(operation)
        if self.world.trace is not None:
            self.world.say(f"gateway {self.number}", f"look-up of {operation.id}: {seen}")
        yield 30
        return self.world.rules.understand(seen)

    def look_up(self, operation: Operation) -> Steps[Operation]:
        world = self.world
        if operation.state is State.REJECTED and world.rules.knows_successors:
            successor = world.journal.successor(operation)
            if successor is not None:  # what carries the reference now is not to be told apart from what we sent
                step = Step.LOOK_UP if successor.is_open else None
                rest = Verdict(State.REJECTED, operation.reason, operation.detail, step, world.window // 1000)
                return (yield from self.record(operation, rest))[0]
        seen = yield from self.look(operation)
        age = (self.clock() - operation.sent_at) // 1000
        verdict = world.rules.after_look_up(operation, seen, age, world.window // 1000)
        return (yield from self.record(operation, verdict))[0]

    def resume(self, operation: Operation) -> Steps[Operation]:
        world = self.world
        age = (self.clock() - operation.created_at) // 1000
        late = world.rules.expired(operation, age, world.expires_after // 1000)
        if late is not None:
            return (yield from self.record(operation, late))[0]
        if not (yield from self.usable(operation)):
            if may_move(operation) and operation.routing.reserve:
                return (yield from self.go_elsewhere(operation))
            return (yield from self.record(operation, postponed(operation)))[0]
        if operation.step is not Step.SEND:
            return (yield from self.look_up(operation))
        return (yield from self.send_next(operation))

    def go_elsewhere(self, operation: Operation, attempt: int | None = None) -> Steps[Operation]:
        """The move is committed before anything is sent there."""
        moved, held = _moved(operation), True
        if self.world.rules.moves_are_committed:
            verdict = Verdict(State.ACCEPTED, moved.reason, moved.detail, Step.SEND)
            moved, held = yield from self.record(moved, verdict, attempt)
        self.world.count("moved")
        return (yield from self.send_next(moved)) if held else moved

    def send_next(self, operation: Operation) -> Steps[Operation]:
        world = self.world
        before, now = world.now + int(SEND_WITHIN * 1000), self.clock()
        sending = msgspec.structs.replace(
            operation,
            fence=operation.fence + 1,
            state=State.SENDING,
            attempts=operation.attempts + 1,
            sent_at=now,
            due_at=None,
        )
        if not (yield from self.commit(lambda: world.journal.claim(sending))):
            return operation
        return (yield from self.send(sending, before))

    def take_over(self, operation: Operation) -> Steps[Operation]:
        """What someone left in `sending` becomes unknown."""
        self.world.count("taken_over")
        return (yield from self.record(operation, self.world.rules.after_crash(operation)))[0]

    def record(
        self, operation: Operation, verdict: Verdict, attempt: int | None = None, sent: bool = False
    ) -> Steps[tuple[Operation, bool]]:
        world = self.world
        after = applied(operation, verdict, self.clock())

        def work() -> bool:
            held = world.journal.record(after, attempt, sent)
            if held and verdict.alarm:
                world.alarms.add(after.id)
            return held

        if (yield from self.commit(work)):
            return msgspec.structs.replace(after, fence=after.fence + world.rules.records_move_fences), True
        world.count("fenced")
        if world.rules.rereads_lost_fences:
            after = yield from self.read(after.id)
        return after, False

    def usable(self, operation: Operation) -> Steps[bool]:
        world = self.world
        if not self.held or operation.connection != FIRST:
            return True
        if world.now - self.probed_at < 5 * SECOND:
            return False
        self.probed_at = world.now
        yield 30
        refuses = world.provider.refuses_us
        self.held = refuses[0] <= world.now < refuses[1]
        return not self.held

    def poll(self) -> None:
        """Goes on with whatever is due, or asks again when the next will be. One round after the other."""
        world = self.world
        self.next_poll = None
        times = [due_time(row, world.rules) for row in world.journal.rows.values()]
        due = min((time for time in times if time is not None), default=None)
        if due is None or self.going_on:
            return
        if due > world.now:
            world.wake(self, due)
        else:
            self.start(self.round(), due=True)

    def round(self) -> Steps[None]:
        for row, interrupted in (yield from self.commit(self.world.journal.claim_due)):
            self.start(self.take_over(row) if interrupted else self.resume(row), due=True)

    # Decisions

    def decide(self, id: str, what: str) -> Steps[None]:
        try:
            operation = yield from self.read(id)
            if what == "release":
                yield from self.release(operation)
            elif what == "cancel":
                yield from self.cancel(operation)
            else:
                yield from self.close(operation, "executed" if what == "close_executed" else "not_executed")
        except JournalDown:
            return

    def release(self, operation: Operation) -> Steps[None]:
        world, rules = self.world, self.world.rules
        again = any(decision.decision == "release" for decision in operation.decisions)
        shown = operation.payout is not None or operation.reason in (Reason.SEVERAL, Reason.CONTRADICTION)
        if operation.state is not State.NEEDS_REVIEW or again:
            return
        if operation.effect is CREATE and shown and rules.release_spares_the_seen:
            return  # what the provider has shown once needs no second send, whatever a look-up says now
        world.released[operation.id] = world.now + 30
        seen: LookUp = Absent()
        if rules.release_looks_up:
            seen = yield from self.look(operation)
        if isinstance(seen, Found) and (seen.at_target or seen.reference_differs):
            age = (self.clock() - operation.sent_at) // 1000
            verdict = rules.after_look_up(operation, seen, age, world.window // 1000)
            yield from self.record(operation, verdict)
        elif isinstance(seen, Absent | Found):
            yield from self._send_again(operation)

    def _send_again(self, operation: Operation) -> Steps[None]:
        before, now = self.world.now + int(SEND_WITHIN * 1000), self.clock()
        released = msgspec.structs.replace(
            operation,
            fence=operation.fence + 1,
            state=State.SENDING,
            attempts=operation.attempts + 1,
            resends=operation.resends + 1,
            sent_at=now,
            due_at=None,
            decisions=(*operation.decisions, Decision(decision="release", by="other", at=now)),
        )
        if (yield from self._decided(released)):
            self.world.count("released")
            self.start(self.send(released, before))

    def cancel(self, operation: Operation) -> Steps[None]:
        yield 1
        sent = [sent for (id, _), sent in self.world.journal.sent.items() if id == operation.id]
        unsent = operation.state is State.ACCEPTED and all(each is False for each in sent)
        if unsent or (operation.state in (State.ACCEPTED, State.UNKNOWN) and not self.world.rules.cancels_only_unsent):
            decision = Decision(decision="cancel", by="maker", at=self.clock())
            yield from self._finish(operation, Verdict(State.CANCELLED, operation.reason), decision)

    def close(self, operation: Operation, verdict: Any) -> Steps[None]:
        yield 1
        young = self.clock() - operation.sent_at < QUARANTINE * SECOND and operation.effect is not CREATE
        if young and self.world.rules.close_waits:
            return  # it may still land, and would undo whatever is written next
        if operation.state in (State.UNKNOWN, State.NEEDS_REVIEW):
            decision = Decision(decision="close", by="other", at=self.clock(), verdict=verdict)
            rest = Verdict(State.CLOSED, operation.reason, operation.detail, Step.LOOK_UP, 3600)
            yield from self._finish(operation, rest, decision)

    def _finish(self, operation: Operation, verdict: Verdict, decision: Decision) -> Steps[None]:
        after = applied(operation, verdict, self.clock())
        decisions = (*operation.decisions, decision)
        if (yield from self._decided(msgspec.structs.replace(after, fence=after.fence + 1, decisions=decisions))):
            self.world.count(decision.decision)
            self.world.told.append(Told(after.id, after.state))

    def _decided(self, after: Operation) -> Steps[bool]:
        """Takes the operation from whoever holds it."""
        journal = self.world.journal

        def work() -> bool:
            row = journal.row(after.id)
            if row.fence != after.fence - 1 and self.world.rules.claims_compare_fences:
                return False
            sending = after.state is State.SENDING
            journal.put(msgspec.structs.replace(after, lease_until=self.world.now + LEASE if sending else None))
            if sending:
                journal.sent[after.id, after.attempts] = None
            return True

        return (yield from self.commit(work))


def _moved(operation: Operation) -> Operation:
    """At the next connection in reserve."""
    routing = operation.routing.dropped(operation.connection, "")
    return msgspec.structs.replace(operation, connection=routing.taken, routing=routing)


def due_time(row: Operation, rules: Rules) -> int | None:
    """When a gateway should go on with it, by the database's clock."""
    if row.state is State.SENDING:
        return row.lease_until if rules.takes_over else None
    return None if row.due_at is None else max(row.due_at, row.lease_until or 0)


class World:
    """One schedule: the clock, the queue of steps, and what goes wrong when."""

    def __init__(self, seed: int, guard: Guard, trace: bool = False) -> None:
        rng = self.rng = random.Random(seed)  # noqa: S311
        self.rules = guard.rules
        self.now = 0
        self.queue: list[tuple[int, int, Gateway | None, int, Any]] = []
        self.steps = 0
        self.trace: list[str] | None = [] if trace else None
        self.faults: Counter[str] = Counter()
        self.moves: list[Move] = []
        self.told: list[Told] = []
        self.accepted: set[str] = set()
        self.alarms: set[str] = set()
        self.released: dict[str, int] = {}  # when the look-up of a release was answered
        self.late = 0
        self.journal = Journal(self)
        self.provider = Provider(self)
        self._draw(rng, guard.effect)
        for name, value in guard.character.items():
            setattr(self, name, value)
        self.gateways = [Gateway(self, n, int((rng.random() - 0.5) * 2 * self.skew)) for n in range(self.machines)]
        self._plan(rng)

    def _draw(self, rng: random.Random, effect: Effect | None) -> None:
        """This schedule's character: few faults of one kind find other things than many of all."""
        draw = rng.random
        self.effect = effect or (CREATE, CREATE, GUARDED, CONVERGENT)[int(draw() * 4)]
        self.expiry = draw() < 0.5  # the provider enforces the signature's end
        self.kinds = CREATE_FAULTS if self.effect is CREATE else MARK_FAULTS
        self.machines = 1 + int(draw() * 3)
        self.skew = (0, 200, 2000)[int(draw() * 3)]
        self.window = (120, 120, 300, 900)[int(draw() * 4)] * SECOND
        self.expires_after = (300, 3600, 24 * 3600)[int(draw() * 3)] * SECOND
        self.read_lag = (0, 0, 5, 60, 2 * 3600)[int(draw() * 5)] * SECOND
        self.crash = (0.0, 0.01, 0.05)[int(draw() * 3)]
        self.pause = (0.0, 0.02, 0.1)[int(draw() * 3)]
        self.misfires = (0.0, 0.0, 0.02, 0.1)[int(draw() * 4)]  # of commits, reads and look-ups
        self.bad = (0.2, 0.6, 0.9)[int(draw() * 3)]  # sends that meet a fault
        self.favourite = self.kinds[int(draw() * len(self.kinds))] if draw() < 0.5 else None
        self.lateness_most = (20, 300, 3 * 3600)[int(draw() * 3)] * SECOND
        self.quiet = (20, 200, 1500)[int(draw() * 3)] * SECOND  # when the faults stop
        self.reserve = self.effect is CREATE and draw() < 0.4  # another connection stands in reserve
        self.end = 100 * HOUR

    def _plan(self, rng: random.Random) -> None:
        draw = rng.random
        wants = self._wants(rng)
        for want in wants:
            for _ in range(1 + int(draw() * 2.5)):  # callers send again with the same key
                self.at(int(draw() * min(self.quiet, 30 * SECOND)), self._submitting(want))
        if draw() < 0.2:
            begin = int(draw() * self.quiet)
            self.provider.refuses_us = (begin, begin + int(draw() * (self.quiet - begin)))
            self.count("credentials_fail")
        if self.effect is CREATE and draw() < 0.05:
            self.provider.foreign["r0"] = int(draw() * self.quiet)
            self.count("someone_else")
        if not self.rules.claims_in_sql or not self.rules.commits_are_durable:
            self.at(int(draw() * self.quiet), self._fail_over)

    def _wants(self, rng: random.Random) -> list[Want]:
        draw = rng.random
        queued = draw() < 0.15
        if self.effect is CREATE:
            wants = [Want("k0", "create", None, "r0", queued)]
            if draw() < 0.3:
                wants.append(Want("k1", "create", None, "r0" if draw() < 0.8 else "r1", False))
            return wants
        self.provider.history["po"] = [(-HOUR * 9, int(draw() * 1.2))]
        wants = [Want("k0", "process", "po", None, queued)]
        if draw() < 0.4:
            wants.append(Want("k1", "complete", "po", None, False))
        if draw() < 0.2:
            state = 0 if draw() < 0.6 else int(draw() * 3)
            when = int(draw() ** 2 * min(self.quiet, 60 * SECOND))
            self.at(when, lambda: self.provider.meddle("po", state))
        return wants

    def _submitting(self, want: Want) -> Callable[[], None]:
        def submit() -> None:
            gateway = self.gateways[int(self.rng.random() * self.machines)]
            if gateway.alive:
                self.spawn(gateway, gateway.submit(want))
            else:
                self.again(want)

        return submit

    def again(self, want: Want) -> None:
        """The caller was told nothing that it can rely on, and asks again with the same key."""
        self.at(self.now + 500 + int(self.rng.random() * 5000), self._submitting(want))

    def new_operation(self, want: Want, gateway: Gateway) -> Operation:
        now = gateway.clock()
        money = AMOUNT if self.effect is CREATE else None
        self.steps += 1
        return msgspec.structs.replace(
            TEMPLATE, id=f"op{self.steps}", key=want.key, action=want.action, target=want.target, effect=self.effect,
            reference=want.reference, currency=money and money.currency, minor_units=money and money.minor_units,
            sent_at=now, created_at=now, updated_at=now,
            state=State.ACCEPTED if want.queued else State.SENDING, attempts=0 if want.queued else 1,
            step=Step.SEND if want.queued else None, due_at=now if want.queued else None,
            lease_until=None if want.queued else self.now + LEASE, routing=IN_RESERVE if self.reserve else Routing(),
        )  # fmt: skip

    # Time

    def at(self, time: int, event: Callable[[], Any]) -> None:
        self.steps += 1
        heapq.heappush(self.queue, (time, self.steps, None, 0, event))

    def spawn(self, gateway: Gateway, work: Steps[Any]) -> None:
        self.steps += 1
        heapq.heappush(self.queue, (self.now, self.steps, gateway, gateway.epoch, work))

    def wake(self, gateway: Gateway, time: int) -> None:
        """Lets a gateway look for what is due at that time, or within a second of it."""
        if gateway.alive and (gateway.next_poll is None or time < gateway.next_poll):
            time = max(time, self.now) + int(self.rng.random() * SECOND)
            gateway.next_poll = time
            self.steps += 1
            heapq.heappush(self.queue, (time, self.steps, gateway, gateway.epoch, None))

    def poke(self, row: Operation) -> None:
        due = due_time(row, self.rules)
        if due is not None:
            for gateway in self.gateways:
                self.wake(gateway, due)

    def run_until(self, end: int) -> None:
        queue = self.queue
        while queue and queue[0][0] <= end:
            self.now, _, gateway, epoch, work = heapq.heappop(queue)
            if gateway is None:
                work()
            elif gateway.epoch == epoch:
                self._step(gateway, work)
        self.now = end

    def _step(self, gateway: Gateway, work: Any) -> None:
        if gateway.paused_until > self.now or self._interrupted(gateway):
            if gateway.alive:
                self.steps += 1
                heapq.heappush(self.queue, (gateway.paused_until, self.steps, gateway, gateway.epoch, work))
            return
        if work is None:
            if gateway.next_poll is not None and gateway.next_poll <= self.now:
                gateway.poll()
            return
        try:
            wait = next(work)
        except StopIteration:
            return
        self.steps += 1
        heapq.heappush(self.queue, (self.now + wait, self.steps, gateway, gateway.epoch, work))

    # Faults

    def _interrupted(self, gateway: Gateway) -> bool:
        if self.now >= self.quiet:
            return False
        chance = self.rng.random()
        if chance < self.crash:
            self._kill(gateway)
            return True
        if chance < self.crash + self.pause:
            self.count("paused")
            gateway.paused_until = min(self.quiet, self.now + self.lateness_of_a_pause())
            if self.trace is not None:
                self.say(f"gateway {gateway.number}", f"paused until {gateway.paused_until / 1000:.1f}")
            return True
        return False

    def _kill(self, gateway: Gateway) -> None:
        self.count("killed")
        gateway.alive = False
        gateway.epoch += 1
        back = min(self.quiet, self.now + int(self.rng.random() * 20 * SECOND))
        if self.trace is not None:
            self.say(f"gateway {gateway.number}", "killed")

        self.at(back, gateway.restart)

    def _fail_over(self) -> None:
        """A store that answered before it was safe loses what it answered last."""
        self.count("fail_over")
        self.journal.claims.clear()
        if not self.rules.commits_are_durable and self.journal.rows:
            for gateway in self.gateways:
                gateway.epoch += 1
                gateway.going_on, gateway.next_poll = 0, None
            self.journal.rows.popitem()

    def fault_of_send(self, operation: Operation) -> str | None:
        if self.now >= self.quiet or self.rng.random() >= self.bad:
            return None
        fault = self.favourite
        if fault is None or self.rng.random() < 0.3:
            fault = self.kinds[int(self.rng.random() * len(self.kinds))]
        # A request that waits behind a 429 is found by a look-up a minute later only if reads are fresh.
        return None if fault == "limited_but_executed" and self.read_lag > 10 * SECOND else fault

    def fails(self, what: str) -> bool:
        if self.now >= self.quiet or self.rng.random() >= self.misfires:
            return False
        if what.endswith("look_up"):
            self.count("look_up_failed")
        return True

    def lateness(self) -> int:
        return int(self.rng.random() ** 2 * self.lateness_most)

    def lateness_of_a_pause(self) -> int:
        return int(self.rng.random() ** 2 * 1500 * SECOND)

    def ask_a_person(self, row: Operation, chance: float) -> None:
        """Someone decides something of it, by and by."""
        draw = self.rng.random
        if row.state not in (State.NEEDS_REVIEW, State.UNKNOWN, State.ACCEPTED) or draw() > chance:
            return
        if row.state is State.ACCEPTED:
            what = "cancel"
        else:
            what = ("release", "release", "close_executed", "close_not_executed")[int(draw() * 4)]
        if what == "release" and row.state is not State.NEEDS_REVIEW:
            what = "cancel"
        later = (50, 2 * SECOND, 90 * SECOND, HOUR)[int(draw() * 4)]

        def act() -> None:
            gateway = self.gateways[int(draw() * self.machines)]
            if gateway.alive:
                self.spawn(gateway, gateway.decide(row.id, what))

        self.at(self.now + int(draw() * later), act)

    def count(self, fault: str) -> None:
        self.faults[fault] += 1
        if self.trace is not None:
            self.say("fault", fault)

    def say(self, who: str, what: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now / 1000:10.3f}  {who:10}  {what}")


class Result(NamedTuple):
    """What came of one schedule."""

    seed: int
    violations: list[Violation]
    faults: Counter[str]
    states: Counter[str]
    limits: Counter[str]
    trace: list[str] | None


def run(seed: int, without: str | None = None, trace: bool = False) -> Result:
    """One schedule from its seed: the same one every time. `without`: the guard that is removed."""
    world = World(seed, GUARDS[without] if without else NONE_REMOVED, trace)
    world.run_until(world.quiet + UNSTUCK)
    violations = stuck(world.journal.rows.values(), world.now, world.quiet)
    world.run_until(max(world.now, world.late) + world.read_lag + world.window + 2 * REVIEW)
    rows = list(world.journal.rows.values())
    executions = [_seen(world, each) for each in world.provider.done]
    violations += check(
        rows,
        executions,
        accepted=world.accepted,
        moves=world.moves,
        told=world.told,
        alarms=frozenset(world.alarms),
    )
    refused = [id for id, times in world.journal.refusals.items() if times > 2]
    violations += [Violation("recordable", id, "its verdict is refused by an index, each time") for id in refused]
    states = Counter(str(row.state) for row in rows)
    limits = Counter(each.limit for each in executions if each.limit is not None)
    return Result(seed, violations, world.faults, states, limits, world.trace)


def _seen(world: World, done: Done) -> Execution:
    limit = _limit(world, done)
    return Execution(slot_of(done.operation), done.at, done.amount, PAYEE, done.changed, done.generation, limit)


def _limit(world: World, done: Done) -> str | None:
    """What no gateway can prevent or see, and why; everything else is promised.

    The margin is for two clocks, and for the seconds between the commit and the send.
    """
    row = world.journal.rows.get(done.operation.id)
    if row is None:
        return None
    margin = 2 * world.skew + 13 * SECOND
    if row.effect is not CREATE:
        return _limit_of_mark(world, done, row, margin)
    shows = done.at + world.read_lag
    if shows > max(world.released.get(row.id, world.end), done.checked + world.window - margin):
        return "released before it showed"
    unseen = shows > done.checked + world.window - margin or world.journal.successor(row) is not None
    if done.lie and row.state is State.REJECTED and unseen:
        return "refused, and executed all the same"
    adopted = [each.at for each in world.provider.done if each.operation.reference == row.reference and each.lie]
    if adopted and min(adopted) < done.at and done.at > _succeeded_at(world, row, done.at):
        return "refused, and executed all the same"
    return None


def _limit_of_mark(world: World, done: Done, row: Operation, margin: int) -> str | None:
    def late(each: Done) -> bool:
        return each.at - each.checked > 60 * SECOND - margin

    if late(done):
        return "landed after the quarantine"
    mine = [each for each in world.provider.done if each.operation.id == row.id]
    others = [each for each in world.provider.done if each.operation.target == row.target and each not in mine]
    if any(each.changed and late(each) and mine[0].at < each.at < done.at for each in others):
        return "undone by what landed after its quarantine"
    succeeded = _succeeded_at(world, row, done.at)
    undone = any(each.generation < done.generation for each in mine)
    if world.read_lag and done.at > succeeded and undone:
        return "someone else undid it, and a look-up showed the past"
    return "someone else had done it" if min(each.at for each in mine) > succeeded else None


def _succeeded_at(world: World, row: Operation, default: int) -> int:
    return next((m.at for m in world.moves if m.operation == row.id and m.after is State.SUCCEEDED), default)


class Summary(msgspec.Struct):
    """Many schedules, added up. `broken`: seed and violations of the first that broke something."""

    schedules: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    states: Counter[str] = msgspec.field(default_factory=Counter)
    limits: Counter[str] = msgspec.field(default_factory=Counter)
    violations: Counter[str] = msgspec.field(default_factory=Counter)
    broken: list[tuple[int, list[str]]] = msgspec.field(default_factory=list)

    def add(self, result: Result) -> None:
        self.schedules += 1
        self.faults.update(result.faults)
        self.states.update(result.states)
        self.limits.update(result.limits)
        self.violations.update({each.invariant for each in result.violations})
        if result.violations:
            self.broken.append((result.seed, [str(each) for each in result.violations]))

    def merge(self, other: Summary) -> None:
        self.schedules += other.schedules
        for name in ("faults", "states", "limits", "violations"):
            getattr(self, name).update(getattr(other, name))
        self.broken = sorted(self.broken + other.broken)[:KEPT]


def run_chunk(chunk: tuple[int, int, str | None]) -> Summary:
    """`chunk`: the first seed, how many, and the guard that is removed."""
    first, count, guard = chunk
    summary = Summary()
    for seed in range(first, first + count):
        summary.add(run(seed, guard))
    summary.broken = summary.broken[:KEPT]
    return summary


def run_many(first: int, count: int, processes: int = 2, guard: str | None = None) -> Iterator[Summary]:
    """Summaries of chunks, as they are done. The processes share nothing."""
    ends = first + count
    chunks = [(begin, min(CHUNK, ends - begin), guard) for begin in range(first, ends, CHUNK)]
    if len(chunks) == 1 or processes == 1:
        yield from map(run_chunk, chunks)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(run_chunk, chunks)


def run_all(count: int, seed: int, progress: Callable[[int], object]) -> BatteryResult:
    """All of them as one battery, for the table of `make battery`."""
    began, summary = time.monotonic(), Summary()
    for part in run_many(seed, count):
        summary.merge(part)
        progress(summary.schedules)
    broken = [f"seed {each}: {why}" for each, why in summary.broken]
    happened = Counter({f"ended {name}": number for name, number in summary.states.items()})
    happened["faults injected"] = summary.faults.total()
    happened["executions beyond what can be promised"] = summary.limits.total()
    return result_of("schedules", count, happened, time.monotonic() - began, broken)


def counted(summary: Summary) -> Table:
    """What was run and what was found, for people."""
    table = Table(title=f"{summary.schedules:,} simulated schedules", show_header=False)
    for title in ("faults", "states", "limits", "violations"):
        table.add_section()
        numbers: Counter[str] = getattr(summary, title)
        table.add_row(TITLES[title], f"{numbers.total():,}", style="bold")
        for name, number in sorted(numbers.items(), key=lambda item: (-item[1], item[0])):
            table.add_row(f"  {name.replace('_', ' ')}", f"{number:,}")
    return table


def in_full(guard: str | None, seed: int, console: Console) -> None:
    """One schedule again, event by event."""
    result = run(seed, guard, trace=True)
    console.print(f"\nseed {seed}", style="bold")
    for event in [*(result.trace or ()), *(f"VIOLATION {each}" for each in result.violations)]:
        console.print(event, markup=False, highlight=False, soft_wrap=True)


@click.command()
@click.option("--count", default=20_000, show_default=True, help="How many schedules.")
@click.option("--seed", default=0, show_default=True, help="The first one's seed; the others follow.")
@click.option("--processes", default=2, show_default=True)
@click.option("--without", type=click.Choice(sorted(GUARDS)), help="Remove this guard, and watch it being missed.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def main(count: int, seed: int, processes: int, without: str | None, as_json: bool) -> None:
    """Simulated schedules over the real state machine. Ends with 1 if a promise was broken."""
    summary, console = Summary(), Console()
    columns = (TextColumn("schedules"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=count)
        for part in run_many(seed, count, processes, without):
            summary.merge(part)
            progress.advance(task, part.schedules)
    if as_json:
        click.echo(msgspec.json.encode(summary, order="sorted").decode())
    else:
        console.print(counted(summary))
        for broken in [seed] if count == 1 else [each for each, _ in summary.broken[:SHOWN]]:
            in_full(without, broken, console)
    sys.exit(1 if summary.violations else 0)


if __name__ == "__main__":
    main()
