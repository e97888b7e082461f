"""The decision table: what an outcome means for an operation. Pure: no I/O, no clock of its own.

Only the effect decides (`convergent`, `guarded`, `create`), never the provider. The rules rest on design section 5:
what may have been executed is never sent again unless repeating is harmless or the provider refuses a repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gateway.operation import Operation, Reason, State, Step
from gateway.upstream import Answered, Contradicted, NotSent, Outcome, Refused, Unclear
from providers.sdk import Effect, Payout, RefusalKind

# Seconds.
SIGNATURE_LIFE = 60  # a signed create cannot be executed later than this after its sending
QUARANTINE = 60  # how long a guarded write may still land after an unclear answer
LOOK_UP_WINDOW = 15 * 60  # after it, an absent create needs a person
REPEAT_AFTER = 60
RETRY_FIRST, RETRY_MOST = 5, 300

WATCH_FIRST, WATCH_MOST = 5, 300  # between look-ups of what may still appear
REVIEW_WATCH, REVIEW_WATCH_LATER = 3600, 24 * 3600  # while a person is asked: hourly for a day, then daily

GUARDED_TRIES = 5
CONVERGENT_TRIES = 3
RESENDS_AFTER_429 = 1

SEVERAL_DETAIL = "more than one payout carries this reference"

REFUSED_FOR = {
    RefusalKind.NOT_FOUND: Reason.NOT_FOUND,
    RefusalKind.CONFLICT: Reason.CONFLICT,
    RefusalKind.INVALID: Reason.INVALID,
}


class Verdict(Struct, frozen=True):
    """What becomes of an operation, and what the gateway does next by itself, `delay` seconds from now."""

    state: State
    reason: Reason | None = None
    detail: str | None = None
    step: Step | None = None
    delay: int = 0
    hold: bool = False  # the connection's credentials failed
    alarm: bool = False
    attribution: str | None = None
    maybe_executed: bool = False
    acknowledged: bool = False
    resend: bool = False  # counts against the one automatic resend of a create
    pins: bool = False  # something may have left: no other connection may be tried any more
    elsewhere: bool = False  # nothing has left, and another connection may do better
    payout: Payout | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A look-up saw the payout. `at_target`: it is where the operation wants it."""

    payout: Payout | None
    at_target: bool
    reference_differs: bool = False


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up was answered, completely, and what we looked for is not there."""


@dataclass(frozen=True, slots=True)
class Several:
    """A look-up by reference found more than one payout: money may have moved twice."""


@dataclass(frozen=True, slots=True)
class Differs:
    """A look-up by reference found a payout that is not the one we ordered."""

    detail: str


@dataclass(frozen=True, slots=True)
class LookUpFailed:
    """A look-up was not answered."""

    detail: str | None = None


LookUp = Found | Absent | Several | Differs | LookUpFailed


def backoff(attempts: int) -> int:
    """Seconds before try number `attempts` + 1."""
    return min(RETRY_FIRST << min(attempts, 10), RETRY_MOST)


def watch(age: int) -> int:
    """Seconds until the next look-up of something that was last sent `age` seconds ago."""
    return max(WATCH_FIRST, min(age // 4, WATCH_MOST))


def review_watch(age: int) -> int:
    return REVIEW_WATCH if age < 24 * 3600 else REVIEW_WATCH_LATER


def expired(operation: Operation, age: int, expires_after: int) -> Verdict | None:
    """The verdict on what was never executed and waited too long. `age`: seconds since it was accepted."""
    if operation.state is State.AWAITING_APPROVAL:  # it falls due for nothing else
        return Verdict(State.EXPIRED, operation.reason, "it was not approved in time, and never will be sent")
    if operation.state is State.ACCEPTED and not operation.maybe_executed and age >= expires_after:
        return Verdict(State.EXPIRED, operation.reason, "it could not be sent in time, and never will be")
    return None


def postponed(operation: Operation) -> Verdict:
    """The verdict on what is due while its connection is held: the same, a little later."""
    return Verdict(
        operation.state,
        operation.reason,
        operation.detail,
        operation.step,
        backoff(operation.attempts),
        attribution=operation.attribution,
    )


def may_move(operation: Operation) -> bool:
    """Whether another connection may be tried: of no attempt did anything ever begin to leave."""
    return operation.state is State.ACCEPTED and not operation.pinned


def after_send(operation: Operation, outcome: Outcome[Any]) -> Verdict:
    """The verdict on one send. `operation.attempts` counts this one already."""
    verdict, started = _judged(operation, outcome), outcome.evidence.started
    ours = isinstance(outcome, NotSent) and outcome.ours
    unsent = verdict.state is State.ACCEPTED and not operation.pinned and not started
    return replace(verdict, pins=started, elsewhere=unsent and not ours)


def _judged(operation: Operation, outcome: Outcome[Any]) -> Verdict:
    detail = outcome.evidence.detail
    match outcome:
        case NotSent():
            wait = backoff(operation.attempts)
            return _waiting(operation, Reason.NOT_SENT, detail, wait)
        case Contradicted():
            return _contradicted(operation, detail)
        case Unclear():
            return _unclear(operation, detail)
        case Answered(_, result):
            if operation.effect is Effect.GUARDED:
                return Verdict(State.UNKNOWN, step=Step.LOOK_UP, maybe_executed=True, acknowledged=True)
            payout = result if isinstance(result, Payout) else None
            return _succeeded(operation, payout)
        case Refused(_, refusal):
            return _refused(operation, refusal.kind, refusal.retry_after, detail)


def _succeeded(operation: Operation, payout: Payout | None) -> Verdict:
    again = operation.effect is Effect.CREATE and operation.resends > 0
    step, delay = (Step.LOOK_UP, LOOK_UP_WINDOW) if again else (None, 0)
    return Verdict(State.SUCCEEDED, step=step, delay=delay, payout=payout, maybe_executed=True)


def _contradicted(operation: Operation, detail: str | None) -> Verdict:
    """A create can be looked up by its reference; a mark that met another reference waits for a person."""
    step = Step.LOOK_UP if operation.effect is Effect.CREATE else None
    return Verdict(State.NEEDS_REVIEW, Reason.CONTRADICTION, detail, step, RETRY_MOST, alarm=True, maybe_executed=True)


def after_look_up(
    operation: Operation, seen: LookUp, age: int, window: int = LOOK_UP_WINDOW, successor: bool = False
) -> Verdict:
    """The verdict on one look-up, `age` seconds after the last send; after `window` an absent create needs a person.

    `successor`: another operation of the tenant has this one's reference.
    """
    if operation.state in (State.REJECTED, State.CLOSED, State.SUCCEEDED):
        return _watched(operation, seen, age, successor)
    match seen:
        case Found(payout, at_target=True, reference_differs=False):
            return _at_target(operation, payout)
        case Found(payout, reference_differs=True):
            detail = "the payout carries another reference"
            return _review(operation, Reason.CONTRADICTION, detail, age, payout=payout)
        case Found(payout):
            return _not_at_target(operation, payout, age)
        case Several():
            return _review(operation, Reason.SEVERAL, SEVERAL_DETAIL, age)
        case Differs(detail):
            return _review(operation, Reason.CONTRADICTION, detail, age)
        case Absent():
            return _absent(operation, age, window)
        case LookUpFailed(detail):
            return _unanswered(operation, detail, age, window)


def _watched(operation: Operation, seen: LookUp, age: int, successor: bool) -> Verdict:
    """What is over, for us or for a person, is looked at again: money that appears late must not stay unseen."""
    match operation.state:
        case State.REJECTED:
            return _rejected_again(operation, seen, age, successor)
        case State.CLOSED:
            return _closed_again(operation, seen, age)
        case _:
            return _succeeded_again(operation, seen)


def _rejected_again(operation: Operation, seen: LookUp, age: int, successor: bool) -> Verdict:
    """`successor`: another operation has the reference by now, and what carries it is that one's."""
    detail = "it was rejected, and yet the provider shows it"
    rests = Verdict(State.REJECTED, operation.reason, operation.detail)
    match seen:
        case Several() if successor:
            return Verdict(State.REJECTED, Reason.SEVERAL, SEVERAL_DETAIL, alarm=True)
        case _ if successor:
            return rests
        case Found(payout):
            return _review(operation, Reason.CONTRADICTION, detail, age, payout=payout)
        case Several():
            return _review(operation, Reason.SEVERAL, SEVERAL_DETAIL, age)
        case Differs():
            return _review(operation, Reason.CONTRADICTION, detail, age)
        case Absent():
            return rests
        case _:
            return Verdict(State.REJECTED, operation.reason, operation.detail, Step.LOOK_UP, watch(age))


def _closed_again(operation: Operation, seen: LookUp, age: int) -> Verdict:
    verdicts = [decision.verdict for decision in operation.decisions if decision.decision == "close"]
    match seen:
        case Found(payout, at_target=True) if verdicts and verdicts[-1] == "not_executed":
            detail = "it was closed as not executed, and yet the provider shows it"
            return Verdict(State.CLOSED, Reason.CONTRADICTION, detail, alarm=True, payout=payout)
        case Found(payout, at_target=True):
            return Verdict(State.CLOSED, operation.reason, operation.detail, payout=payout)
        case Several():
            return Verdict(State.CLOSED, Reason.SEVERAL, SEVERAL_DETAIL, alarm=True)
        case Differs(detail):
            return Verdict(State.CLOSED, Reason.CONTRADICTION, detail, alarm=True)
        case _:
            return Verdict(State.CLOSED, operation.reason, operation.detail, Step.LOOK_UP, review_watch(age))


def _succeeded_again(operation: Operation, seen: LookUp) -> Verdict:
    """A create that was sent a second time is looked at once more: the first may have landed late."""
    if isinstance(seen, Several):
        return Verdict(State.SUCCEEDED, Reason.SEVERAL, SEVERAL_DETAIL, alarm=True)
    if isinstance(seen, LookUpFailed):
        return Verdict(State.SUCCEEDED, operation.reason, operation.detail, Step.LOOK_UP, WATCH_MOST)
    return Verdict(State.SUCCEEDED, operation.reason, operation.detail, attribution=operation.attribution)


def after_crash(operation: Operation) -> Verdict:
    """The verdict on an operation that a dead process left in `sending`: never back to the queue."""
    return replace(_unclear(operation, "the gateway stopped while sending", Reason.INTERRUPTED), pins=True)


def _waiting(operation: Operation, reason: Reason, detail: str | None, delay: int, hold: bool = False) -> Verdict:
    """Nothing was executed by this attempt; send again later, if nothing earlier may have been."""
    if not operation.maybe_executed:
        looks_first = hold and operation.effect is Effect.CREATE
        return Verdict(State.ACCEPTED, reason, detail, Step.LOOK_UP if looks_first else Step.SEND, delay, hold)
    step = Step.SEND if operation.effect is Effect.CONVERGENT else Step.LOOK_UP
    return Verdict(State.UNKNOWN, reason, detail, step, delay, hold)


def _unclear(operation: Operation, detail: str | None, reason: Reason = Reason.NO_CLEAR_ANSWER) -> Verdict:
    if operation.effect is Effect.CONVERGENT:
        if operation.unsure + 1 >= CONVERGENT_TRIES:
            return Verdict(State.NEEDS_REVIEW, reason, detail, alarm=True, maybe_executed=True)
        return Verdict(State.UNKNOWN, reason, detail, Step.SEND, REPEAT_AFTER, maybe_executed=True)
    return Verdict(State.UNKNOWN, reason, detail, Step.LOOK_UP, maybe_executed=True)


def _refused(operation: Operation, kind: RefusalKind, retry_after: int | None, detail: str | None) -> Verdict:
    creating = operation.effect is Effect.CREATE
    if kind in (RefusalKind.CREDENTIALS, RefusalKind.FORBIDDEN):
        return _waiting(operation, Reason.CREDENTIALS, detail, backoff(operation.attempts), hold=True)
    if kind is RefusalKind.RATE_LIMITED:
        wait = max(retry_after or 0, backoff(operation.attempts))
        if not creating:
            return _waiting(operation, Reason.RATE_LIMITED, detail, wait)
        return Verdict(State.UNKNOWN, Reason.RATE_LIMITED, detail, Step.LOOK_UP, max(wait, SIGNATURE_LIFE))
    reason = REFUSED_FOR.get(kind)
    if reason is None:
        return _unclear(operation, detail)
    if creating or (reason is Reason.CONFLICT and operation.maybe_executed):
        return Verdict(State.UNKNOWN, reason, detail, Step.LOOK_UP)
    return _rejected(operation, reason, detail)


def _rejected(operation: Operation, reason: Reason, detail: str | None) -> Verdict:
    """Rejected only if every earlier attempt is proven unexecuted."""
    if operation.maybe_executed:
        return Verdict(State.NEEDS_REVIEW, reason, detail, alarm=True)
    return Verdict(State.REJECTED, reason, detail)


def _at_target(operation: Operation, payout: Payout | None) -> Verdict:
    ours = operation.acknowledged or operation.effect is Effect.CREATE
    return Verdict(State.SUCCEEDED, attribution=None if ours else "unverified", payout=payout)


def _not_at_target(operation: Operation, payout: Payout | None, age: int) -> Verdict:
    if operation.reason is Reason.CONFLICT:
        return _review(operation, Reason.CONFLICT, operation.detail, age, payout=payout)
    if age < QUARANTINE:
        return _keep(operation, Reason.NOT_CONFIRMED, operation.detail, QUARANTINE - age, payout)
    if operation.effect is Effect.GUARDED and operation.unsure < GUARDED_TRIES:
        return Verdict(State.UNKNOWN, Reason.NOT_CONFIRMED, operation.detail, Step.SEND, payout=payout)
    return _review(operation, Reason.NOT_CONFIRMED, "the provider does not show the change", age, payout=payout)


def _absent(operation: Operation, age: int, window: int) -> Verdict:
    if operation.effect is not Effect.CREATE:
        return _review(operation, Reason.ABSENT, "the provider no longer shows the payout", age)
    if operation.reason in (Reason.CONTRADICTION, Reason.SEVERAL):  # once seen, an empty look-up only lags
        return _review(operation, operation.reason, operation.detail, age)
    if operation.maybe_executed:
        if age < window:
            return _keep(operation, operation.reason or Reason.ABSENT, operation.detail, watch(age))
        return _review(operation, Reason.ABSENT, "the provider shows no payout with this reference", age)
    if operation.reason in REFUSED_FOR.values() and operation.state is not State.NEEDS_REVIEW:
        # Looked up once more when nothing can be executed any longer; found then, it is an alarm.
        return Verdict(State.REJECTED, operation.reason, operation.detail, Step.LOOK_UP, window)
    if operation.reason is Reason.RATE_LIMITED:
        if operation.resends < RESENDS_AFTER_429 and operation.state is not State.NEEDS_REVIEW:
            return Verdict(State.UNKNOWN, Reason.RATE_LIMITED, operation.detail, Step.SEND, resend=True)
        return _review(operation, Reason.RATE_LIMITED, operation.detail, age)
    if operation.state is State.ACCEPTED:
        return Verdict(State.ACCEPTED, operation.reason, operation.detail, Step.SEND)
    return _review(operation, operation.reason or Reason.ABSENT, operation.detail, age)


def _unanswered(operation: Operation, detail: str | None, age: int, window: int) -> Verdict:
    """Nobody tells us: after the window a person must know of it, and the gateway goes on asking."""
    reason = operation.reason or Reason.NOT_CONFIRMED
    if operation.state in (State.ACCEPTED, State.NEEDS_REVIEW) or age < window:
        return _keep(operation, reason, detail, watch(age))
    return Verdict(State.NEEDS_REVIEW, reason, detail, Step.LOOK_UP, watch(age), alarm=True)


def _keep(
    operation: Operation, reason: Reason, detail: str | None, delay: int, payout: Payout | None = None
) -> Verdict:
    """Stay, and look again. Whoever waits for a person, or was never executed, goes on so."""
    stays = operation.state in (State.NEEDS_REVIEW, State.ACCEPTED)
    state = operation.state if stays else State.UNKNOWN
    return Verdict(state, reason, detail, Step.LOOK_UP, delay, payout=payout)


def _review(
    operation: Operation,
    reason: Reason,
    detail: str | None,
    age: int,
    payout: Payout | None = None,
) -> Verdict:
    """A person must look; the gateway goes on watching. An alarm sounds once for each reason."""
    sounds = operation.state is not State.NEEDS_REVIEW or operation.reason is not reason
    return Verdict(State.NEEDS_REVIEW, reason, detail, Step.LOOK_UP, review_watch(age), alarm=sounds, payout=payout)
