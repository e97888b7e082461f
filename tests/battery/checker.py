"""The one checker of every battery: it reads what the providers really did and what the journal says of it.

It knows neither the model nor the gateway's processes. The simulated schedules hand in the model's own records; the
batteries of real processes hand in the simulators' execution logs (`executions_of_log`) and a real journal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.operation import Operation, Reason, State
from gateway.store.audit import Broken
from providers.sdk import Effect, Money

INVARIANTS = {
    "executed_once": "a create or a guarded write is executed at most once per (tenant, key)",
    "changed_once": "a convergent write changes something at most once per (tenant, key)",
    "one_reference": "one reference of a tenant is paid at most once, whatever keys it was sent with",
    "settled": "once it is succeeded, nothing of it lands any more",
    "journaled": "nothing is executed that the journal does not know",
    "not_undone": "what is succeeded is not undone by an older write of ours",
    "nothing_vanishes": "what was answered as accepted is in the journal",
    "success_is_real": "succeeded: executed, with the same amount, currency and payee",
    "refusal_is_real": "rejected, expired, cancelled: never executed",
    "alarmed": "money that contradicts us, or a person's verdict that there is none, is an alarm",
    "final_stays": "a final state stays; only what was rejected can still become a person's case",
    "answers_are_recorded": "a final state that a caller was told is one that the journal has held",
    "recordable": "no verdict is refused by the journal again and again",
    "not_stuck": "nothing stays in sending once the faults have stopped",
    "at_rest": "everything is final, due, or waits for a person",
    "audit_whole": "the audit chain holds",
}

NEVER_EXECUTED = frozenset({State.REJECTED, State.EXPIRED, State.CANCELLED})
FINAL = NEVER_EXECUTED | {State.SUCCEEDED, State.CLOSED}
MAY_FOLLOW = {State.REJECTED: frozenset({State.NEEDS_REVIEW})}
OVERDUE = 60_000  # milliseconds


@dataclass(frozen=True, slots=True)
class Violation:
    """Which promise was broken, by what."""

    invariant: str
    operation: str
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.operation}: {self.detail}"


class Execution(msgspec.Struct, frozen=True):
    """One thing that a provider did for a slot, i.e. one (tenant, key, item). `at` in milliseconds.

    `limit` names why no gateway could have prevented or seen it (it is counted, and is no violation); `generation`
    grows when someone else changes the target meanwhile, so that doing it again is right.
    """

    slot: str
    at: int
    amount: Money | None = None
    payee: str | None = None
    changed: bool = True
    generation: int = 0
    limit: str | None = None


class Told(msgspec.Struct, frozen=True):
    """An answer that a caller got."""

    operation: str
    state: State


class Move(msgspec.Struct, frozen=True):
    """One change of state that the journal committed."""

    operation: str
    before: State
    after: State
    at: int


def check(
    operations: Sequence[Operation],
    executions: Iterable[Execution],
    *,
    accepted: Iterable[str] = (),
    moves: Sequence[Move] = (),
    told: Iterable[Told] = (),
    alarms: frozenset[str] | None = None,
) -> list[Violation]:
    """Every broken promise.

    `operations`: in the order in which they were accepted. `accepted`: the slots that callers got an answer for.
    `alarms` None: they are not known.
    """
    done: dict[str, list[Execution]] = defaultdict(list)
    for each in executions:
        done[each.slot].append(each)
    kept = {slot_of(operation) for operation in operations}
    violations = [Violation("nothing_vanishes", slot, "not in the journal") for slot in accepted if slot not in kept]
    violations += [
        Violation("journaled", slot, "executed, but not in the journal") for slot in done if slot not in kept
    ]
    for operation in operations:
        found = done.get(slot_of(operation), [])
        violations += _at_most_once(operation, found)
        violations += _truthful(operation, found, alarms)
        violations += _real(operation, operations, done)
    violations += _one_reference(operations, done)
    violations += _steady(moves)
    violations += _settled(operations, moves, done)
    violations += _undone(operations, moves, done)
    violations += _answers(told, moves, operations)
    return violations


def stuck(operations: Iterable[Operation], now: int, since: int) -> list[Violation]:
    """What does not come to rest. `now`: the present, `since`: when the faults stopped, in milliseconds."""
    violations = []
    for operation in operations:
        if operation.state is State.SENDING and operation.sent_at <= since:
            violations.append(Violation("not_stuck", operation.id, f"in sending since {operation.sent_at}"))
        elif operation.state in (State.ACCEPTED, State.UNKNOWN) and operation.due_at is None:
            violations.append(Violation("at_rest", operation.id, f"{operation.state} without a next step"))
        # As long as a lease holds, someone is at it, or has just died at it.
        elif operation.due_at is not None and max(operation.due_at, operation.lease_until or 0) < now - OVERDUE:
            violations.append(Violation("at_rest", operation.id, f"{operation.state}, due at {operation.due_at}"))
    return violations


def chain(broken: Iterable[Broken]) -> list[Violation]:
    """What `Audit.verify` found, as violations."""
    return [Violation("audit_whole", each.tenant, f"entry {each.seq}: {each.why}") for each in broken]


def _at_most_once(operation: Operation, found: Sequence[Execution]) -> list[Violation]:
    convergent = operation.effect is Effect.CONVERGENT
    counted: dict[int, int] = defaultdict(int)
    for each in found:
        counted[each.generation] += each.limit is None and (each.changed or not convergent)
    name = "changed_once" if convergent else "executed_once"
    # An execution beyond the limits stands for one that was not prevented: the others are still at most one.
    return [Violation(name, operation.id, f"{times} times") for times in counted.values() if times > 1]


def _truthful(operation: Operation, found: Sequence[Execution], alarms: frozenset[str] | None) -> list[Violation]:
    state = operation.state
    real = [each for each in found if each.limit is None]
    if state in NEVER_EXECUTED and real:
        return [Violation("refusal_is_real", operation.id, f"{state}, but executed at {real[0].at}")]
    silent = alarms is not None and operation.id not in alarms and operation.effect is Effect.CREATE
    if silent and state is State.CLOSED and real and operation.decisions[-1].verdict == "not_executed":
        return [Violation("alarmed", operation.id, "closed as not executed; its money appeared in silence")]
    if silent and state is State.NEEDS_REVIEW and operation.reason in (Reason.CONTRADICTION, Reason.SEVERAL):
        return [Violation("alarmed", operation.id, f"{operation.reason} without an alarm")]
    return []


def _real(
    operation: Operation, operations: Sequence[Operation], done: Mapping[str, Sequence[Execution]]
) -> list[Violation]:
    """A reference stands for one payout, whichever of our keys it was executed for."""
    if operation.state is not State.SUCCEEDED or operation.attribution == "unverified":
        return []
    found = list(done.get(slot_of(operation), ()))
    if operation.effect is Effect.CREATE:
        same = [
            each for each in operations if each.reference == operation.reference and each.tenant == operation.tenant
        ]
        payee = payee_of(operation)
        found = [each for other in same for each in done.get(slot_of(other), ())]
        found = [each for each in found if each.amount == operation.amount and each.payee == payee]
    return [] if found else [Violation("success_is_real", operation.id, "succeeded, and nothing like it was executed")]


def slot_of(operation: Operation) -> str:
    """What the caller's idempotency key stands for."""
    return f"{operation.tenant}/{operation.key}/{operation.item}"


def payee_of(operation: Operation) -> str | None:
    """The payee that the caller named."""
    payee = msgspec.json.decode(operation.request).get("payee") or {}
    name: str | None = payee.get("name")
    return name


def _one_reference(operations: Iterable[Operation], done: Mapping[str, Sequence[Execution]]) -> list[Violation]:
    payers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for operation in operations:
        paid = [each for each in done.get(slot_of(operation), ()) if each.limit is None]
        if operation.effect is Effect.CREATE and operation.reference and paid:
            payers[operation.tenant, operation.reference].append(operation.id)
    return [
        Violation("one_reference", ids[0], f"{reference} was paid by {', '.join(ids)}")
        for (_, reference), ids in payers.items()
        if len(ids) > 1
    ]


def _steady(moves: Iterable[Move]) -> list[Violation]:
    return [
        Violation("final_stays", move.operation, f"{move.before} became {move.after}")
        for move in moves
        if move.before in FINAL and move.after is not move.before and move.after not in MAY_FOLLOW.get(move.before, ())
    ]


def _settled(
    operations: Iterable[Operation], moves: Iterable[Move], done: Mapping[str, Sequence[Execution]]
) -> list[Violation]:
    slots = {operation.id: slot_of(operation) for operation in operations}
    return [
        Violation("settled", move.operation, f"succeeded at {move.at}, and changed something at {each.at}")
        for move in moves
        if move.after is State.SUCCEEDED
        for each in _promised(done.get(slots.get(move.operation, ""), ()))
        if each.at > move.at and each.changed
    ]


def _promised(done: Sequence[Execution]) -> Sequence[Execution]:
    """Nothing, where one execution came that nobody can prevent: it may be the one that was seen to have succeeded."""
    return () if any(each.limit for each in done) else done


def _undone(
    operations: Sequence[Operation], moves: Iterable[Move], done: Mapping[str, Sequence[Execution]]
) -> list[Violation]:
    place = {operation.id: number for number, operation in enumerate(operations)}
    kept = [move for move in moves if move.after is State.SUCCEEDED and move.operation in place]
    succeeded = [(operations[place[move.operation]], move.at) for move in kept]
    return [
        Violation("not_undone", later.id, f"succeeded at {at}; {older.id} changed its payout at {each.at}")
        for later, at in succeeded
        for older in operations[: place[later.id]]
        if older.target == later.target is not None
        for each in done.get(slot_of(older), ())
        if each.at > at and each.changed and each.limit is None
    ]


def _answers(told: Iterable[Told], moves: Sequence[Move], operations: Sequence[Operation]) -> list[Violation]:
    held = {(move.operation, move.after) for move in moves} | {(each.id, each.state) for each in operations}
    return [
        Violation("answers_are_recorded", each.operation, f"the caller was told {each.state}")
        for each in told
        if each.state in FINAL and (each.operation, each.state) not in held
    ]


def executions_of_log(
    connection: str,
    log: Iterable[Mapping[str, Any]],
    operations: Iterable[Operation],
    names: Mapping[str, str],
) -> list[Execution]:
    """A simulator's log as executions for a journal's operations. `names`: action to the contract's operationId.

    A create is known by its reference, a mark by what it was called on. What fits no operation gets a slot of its own,
    and `check` finds it as not journaled.
    """
    mine = [operation for operation in operations if operation.connection == connection]
    slots: dict[tuple[str, str | None], str] = {}
    for operation in mine:
        known_by = operation.provider_reference if operation.effect is Effect.CREATE else operation.target
        slots[names[operation.action], known_by] = slot_of(operation)
    found = []
    for entry in log:
        if entry["executed"]:
            known = [(entry["operation"], each) for each in (entry["reference"], *(entry["ids"] or ()))]
            hits = [slots[each] for each in known if each in slots]
            found += [_execution(entry, slot) for slot in hits or [f"nobody: {known}"]]
    return found


def _execution(entry: Mapping[str, Any], slot: str) -> Execution:
    amount, currency = entry["amount"], entry["currency"]
    money = Money.from_decimal(amount, currency) if isinstance(amount, str) and currency else None
    return Execution(slot, int(entry["at"] * 1000), money, entry["payee"], bool(entry["changed"]))
