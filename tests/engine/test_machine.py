"""The decision table of the design, cell by cell: every outcome, every effect, first try or after an unsure one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.engine import machine
from gateway.engine.machine import Absent, Differs, Found, LookUp, LookUpFailed, Several, Verdict
from gateway.engine.running import applied
from gateway.operation import Decision, Operation, Reason, State, Step
from gateway.upstream import Answered, Contradicted, Evidence, NotSent, Outcome, Refused, Unclear
from providers.sdk import Effect, Payout, PayoutStatus, Refusal, RefusalKind

CREATE, GUARDED, CONVERGENT = Effect.CREATE, Effect.GUARDED, Effect.CONVERGENT
WRITES = (CREATE, GUARDED, CONVERGENT)
ACCEPTED, SENDING, UNKNOWN = State.ACCEPTED, State.SENDING, State.UNKNOWN
SUCCEEDED, REJECTED, NEEDS_REVIEW, CLOSED = State.SUCCEEDED, State.REJECTED, State.NEEDS_REVIEW, State.CLOSED
SEND, LOOK_UP = Step.SEND, Step.LOOK_UP
WINDOW = 900
PAYOUT = Payout(id="po-1", status=PayoutStatus.COMPLETED, provider_status="completed")
MINE, NOT_YET, OTHERS = Found(PAYOUT, True), Found(PAYOUT, False), Found(PAYOUT, True, reference_differs=True)


def an_operation(effect: Effect, unsure: int = 0, state: State = SENDING, **more: Any) -> Operation:
    plain: dict[str, Any] = {"attempts": unsure + 1, "resends": 0, **more}
    return Operation(
        id="op-1", tenant="t", maker="maker", key="k", fingerprint="f", action="create", kind="payout", connection="c",
        effect=effect, request="{}", state=state, unsure=unsure, sent_at=0, created_at=0, updated_at=0, **plain,
    )  # fmt: skip


def refused(kind: RefusalKind, status: int, retry_after: int | None = None) -> Refused:
    return Refused(Evidence(True, status), Refusal(kind, status, retry_after=retry_after))


OUTCOMES: dict[str, Outcome[Any]] = {
    "not sent": NotSent(Evidence(False, None, "ConnectError")),
    "429": refused(RefusalKind.RATE_LIMITED, 429),
    "401": refused(RefusalKind.CREDENTIALS, 401),
    "403": refused(RefusalKind.FORBIDDEN, 403),
    "404": refused(RefusalKind.NOT_FOUND, 404),
    "422": refused(RefusalKind.INVALID, 422),
    "409": refused(RefusalKind.CONFLICT, 409),
    "unlisted 4xx": refused(RefusalKind.UNCLEAR, 418),
    "timeout": Unclear(Evidence(True, None, "ReadTimeout")),
    "503": Unclear(Evidence(True, 503)),
    "mismatch": Contradicted(Evidence(True, 200, "amount")),
    "2xx": Answered(Evidence(True, 200), PAYOUT),
}

# outcome: effect: (on the first try, after an unsure one), each as (state, next step).
TABLE: dict[str, dict[Effect, tuple[tuple[State, Step | None], tuple[State, Step | None]]]] = {
    "not sent": {
        CREATE: ((ACCEPTED, SEND), (UNKNOWN, LOOK_UP)),
        GUARDED: ((ACCEPTED, SEND), (UNKNOWN, LOOK_UP)),
        CONVERGENT: ((ACCEPTED, SEND), (UNKNOWN, SEND)),
    },
    "429": {
        CREATE: ((UNKNOWN, LOOK_UP), (UNKNOWN, LOOK_UP)),
        GUARDED: ((ACCEPTED, SEND), (UNKNOWN, LOOK_UP)),
        CONVERGENT: ((ACCEPTED, SEND), (UNKNOWN, SEND)),
    },
    "401": {
        CREATE: ((ACCEPTED, LOOK_UP), (UNKNOWN, LOOK_UP)),
        GUARDED: ((ACCEPTED, SEND), (UNKNOWN, LOOK_UP)),
        CONVERGENT: ((ACCEPTED, SEND), (UNKNOWN, SEND)),
    },
    "404": {
        CREATE: ((UNKNOWN, LOOK_UP), (UNKNOWN, LOOK_UP)),
        GUARDED: ((REJECTED, None), (NEEDS_REVIEW, None)),
        CONVERGENT: ((REJECTED, None), (NEEDS_REVIEW, None)),
    },
    "409": {
        CREATE: ((UNKNOWN, LOOK_UP), (UNKNOWN, LOOK_UP)),
        GUARDED: ((REJECTED, None), (UNKNOWN, LOOK_UP)),
        CONVERGENT: ((REJECTED, None), (UNKNOWN, LOOK_UP)),
    },
    "timeout": {
        CREATE: ((UNKNOWN, LOOK_UP), (UNKNOWN, LOOK_UP)),
        GUARDED: ((UNKNOWN, LOOK_UP), (UNKNOWN, LOOK_UP)),
        CONVERGENT: ((UNKNOWN, SEND), (UNKNOWN, SEND)),
    },
    "mismatch": {
        CREATE: ((NEEDS_REVIEW, LOOK_UP), (NEEDS_REVIEW, LOOK_UP)),
        GUARDED: ((NEEDS_REVIEW, None), (NEEDS_REVIEW, None)),
        CONVERGENT: ((NEEDS_REVIEW, None), (NEEDS_REVIEW, None)),
    },
    "2xx": {
        CREATE: ((SUCCEEDED, None), (SUCCEEDED, None)),
        GUARDED: ((UNKNOWN, LOOK_UP), (UNKNOWN, LOOK_UP)),
        CONVERGENT: ((SUCCEEDED, None), (SUCCEEDED, None)),
    },
}
SAME = {"403": "401", "422": "404", "503": "timeout", "unlisted 4xx": "timeout"}
TABLE |= {outcome: TABLE[as_this] for outcome, as_this in SAME.items()}
CELLS = [
    (outcome, effect, tries, TABLE[outcome][effect][tries > 0])
    for outcome in OUTCOMES
    for effect in WRITES
    for tries in (0, 1)
]


@pytest.mark.parametrize(("outcome", "effect", "unsure", "expected"), CELLS)
def test_a_send_ends_as_the_table_says(
    outcome: str, effect: Effect, unsure: int, expected: tuple[State, Step | None]
) -> None:
    verdict = machine.after_send(an_operation(effect, unsure), OUTCOMES[outcome])
    assert (verdict.state, verdict.step) == expected


@pytest.mark.parametrize(("outcome", "effect", "unsure", "expected"), CELLS)
def test_only_what_may_have_been_executed_is_in_doubt(
    outcome: str, effect: Effect, unsure: int, expected: tuple[State, Step | None]
) -> None:
    verdict = machine.after_send(an_operation(effect, unsure), OUTCOMES[outcome])
    assert verdict.maybe_executed is (outcome in ("timeout", "503", "unlisted 4xx", "mismatch", "2xx"))


@pytest.mark.parametrize(("outcome", "effect", "unsure", "expected"), CELLS)
def test_only_refused_credentials_hold_the_connection(
    outcome: str, effect: Effect, unsure: int, expected: tuple[State, Step | None]
) -> None:
    assert machine.after_send(an_operation(effect, unsure), OUTCOMES[outcome]).hold is (outcome in ("401", "403"))


@pytest.mark.parametrize(("outcome", "effect", "unsure", "expected"), CELLS)
def test_what_a_person_must_see_at_once_is_an_alarm(
    outcome: str, effect: Effect, unsure: int, expected: tuple[State, Step | None]
) -> None:
    verdict = machine.after_send(an_operation(effect, unsure), OUTCOMES[outcome])
    assert verdict.alarm is (verdict.state is NEEDS_REVIEW)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("unsure", [1, 2, 7])
def test_no_answer_ever_sends_an_unsure_create_again(outcome: str, unsure: int) -> None:
    assert machine.after_send(an_operation(CREATE, unsure), OUTCOMES[outcome]).step is not SEND


@pytest.mark.parametrize(
    ("effect", "unsure", "expected"),
    [
        (CREATE, 0, (UNKNOWN, LOOK_UP)),
        (CREATE, 1, (UNKNOWN, LOOK_UP)),
        (GUARDED, 0, (UNKNOWN, LOOK_UP)),
        (GUARDED, 4, (UNKNOWN, LOOK_UP)),
        (CONVERGENT, 0, (UNKNOWN, SEND)),
        (CONVERGENT, 1, (UNKNOWN, SEND)),
        (CONVERGENT, 2, (NEEDS_REVIEW, None)),
    ],
)
def test_a_crash_leaves_doubt_and_never_a_queue(
    effect: Effect, unsure: int, expected: tuple[State, Step | None]
) -> None:
    verdict = machine.after_crash(an_operation(effect, unsure))
    assert (verdict.state, verdict.step, verdict.maybe_executed) == (*expected, True)


# How long.


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 10), (2, 20), (5, 160), (6, 300), (60, 300)])
def test_unsent_is_tried_again_ever_more_slowly(attempts: int, seconds: int) -> None:
    operation = msgspec.structs.replace(an_operation(CREATE), attempts=attempts)
    assert machine.after_send(operation, OUTCOMES["not sent"]).delay == seconds


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 60), (1, 60), (59, 60), (120, 120)])
def test_a_rate_limited_create_waits_for_its_signature_to_end(retry_after: int | None, seconds: int) -> None:
    verdict = machine.after_send(an_operation(CREATE), refused(RefusalKind.RATE_LIMITED, 429, retry_after))
    assert verdict.delay == seconds


@pytest.mark.parametrize("effect", [GUARDED, CONVERGENT])
@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 10), (3, 10), (120, 120)])
def test_retry_after_is_obeyed(effect: Effect, retry_after: int | None, seconds: int) -> None:
    verdict = machine.after_send(an_operation(effect), refused(RefusalKind.RATE_LIMITED, 429, retry_after))
    assert verdict.delay == seconds


def test_a_convergent_write_waits_before_its_repeat() -> None:
    assert machine.after_send(an_operation(CONVERGENT), OUTCOMES["timeout"]).delay == 60


@pytest.mark.parametrize(("age", "seconds"), [(-3, 5), (0, 5), (40, 10), (899, 224), (5000, 300)])
def test_an_unanswered_look_up_is_repeated_ever_more_slowly(age: int, seconds: int) -> None:
    verdict = looked(an_operation(CREATE, 1, UNKNOWN), LookUpFailed(), age)
    state = UNKNOWN if age < machine.LOOK_UP_WINDOW else NEEDS_REVIEW
    assert (verdict.state, verdict.step, verdict.delay) == (state, LOOK_UP, seconds)
    assert verdict.alarm is (state is NEEDS_REVIEW)


@pytest.mark.parametrize(("age", "seconds"), [(WINDOW, 3600), (24 * 3600 - 1, 3600), (24 * 3600, 24 * 3600)])
def test_a_persons_case_is_watched_hourly_then_daily(age: int, seconds: int) -> None:
    assert looked(an_operation(CREATE, 1, UNKNOWN), Absent(), age).delay == seconds


# What a look-up means.


def looked(operation: Operation, seen: LookUp, age: int = WINDOW + 1) -> Verdict:
    return machine.after_look_up(operation, seen, age, WINDOW)


@pytest.mark.parametrize(
    ("seen", "age", "expected"),
    [
        (MINE, 1, (SUCCEEDED, None)),
        (MINE, 5000, (SUCCEEDED, None)),
        (Several(), 1, (NEEDS_REVIEW, LOOK_UP)),
        (Differs("amount"), 1, (NEEDS_REVIEW, LOOK_UP)),
        (Absent(), 0, (UNKNOWN, LOOK_UP)),
        (Absent(), WINDOW - 1, (UNKNOWN, LOOK_UP)),
        (Absent(), WINDOW, (NEEDS_REVIEW, LOOK_UP)),
        (LookUpFailed(), 899, (UNKNOWN, LOOK_UP)),
        (LookUpFailed(), 5000, (NEEDS_REVIEW, LOOK_UP)),
    ],
)
def test_an_unsure_create_is_adopted_or_left_to_a_person(
    seen: LookUp, age: int, expected: tuple[State, Step | None]
) -> None:
    verdict = looked(an_operation(CREATE, 1, UNKNOWN, reason=Reason.NO_CLEAR_ANSWER), seen, age)
    assert (verdict.state, verdict.step) == expected
    assert verdict.alarm is (verdict.state is NEEDS_REVIEW)


@pytest.mark.parametrize(
    ("unsure", "seen", "expected"),
    [
        (0, Absent(), (REJECTED, LOOK_UP)),
        (1, Absent(), (NEEDS_REVIEW, LOOK_UP)),
        (0, MINE, (SUCCEEDED, None)),
        (0, Several(), (NEEDS_REVIEW, LOOK_UP)),
        (0, Differs("payee"), (NEEDS_REVIEW, LOOK_UP)),
        (0, LookUpFailed(), (NEEDS_REVIEW, LOOK_UP)),
    ],
)
@pytest.mark.parametrize("reason", [Reason.INVALID, Reason.NOT_FOUND])
def test_a_refused_create_is_rejected_only_if_a_look_up_shows_nothing(
    reason: Reason, unsure: int, seen: LookUp, expected: tuple[State, Step | None]
) -> None:
    verdict = looked(an_operation(CREATE, unsure, UNKNOWN, reason=reason), seen)
    assert (verdict.state, verdict.step) == expected


def test_a_rejected_create_is_looked_up_once_more_after_the_window() -> None:
    first = looked(an_operation(CREATE, 0, UNKNOWN, reason=Reason.INVALID), Absent(), 1)
    assert (first.step, first.delay) == (LOOK_UP, WINDOW)
    second = looked(an_operation(CREATE, 0, REJECTED, reason=Reason.INVALID), Absent())
    assert (second.state, second.reason, second.step) == (REJECTED, Reason.INVALID, None)


@pytest.mark.parametrize("seen", [MINE, Several(), Differs("amount")])
def test_a_rejected_create_that_appears_is_an_alarm_and_a_persons_case(seen: LookUp) -> None:
    verdict = looked(an_operation(CREATE, 0, REJECTED, reason=Reason.INVALID), seen)
    assert (verdict.state, verdict.alarm, verdict.step) == (NEEDS_REVIEW, True, LOOK_UP)


def test_a_rejected_create_waits_for_its_later_look_up_to_be_answered() -> None:
    verdict = looked(an_operation(CREATE, 0, REJECTED, reason=Reason.INVALID), LookUpFailed())
    assert (verdict.state, verdict.reason, verdict.step) == (REJECTED, Reason.INVALID, LOOK_UP)


@pytest.mark.parametrize("age", [60, WINDOW + 1])
def test_a_create_is_resent_once_after_a_429_and_never_twice(age: int) -> None:
    limited = an_operation(CREATE, 0, UNKNOWN, reason=Reason.RATE_LIMITED)
    first = looked(limited, Absent(), age)
    assert (first.state, first.step, first.resend) == (UNKNOWN, SEND, True)
    second = looked(msgspec.structs.replace(limited, resends=1), Absent(), age)
    assert (second.state, second.step) == (NEEDS_REVIEW, LOOK_UP)


@pytest.mark.parametrize("age", [60, WINDOW + 1])
def test_a_429_after_an_unsure_try_resends_nothing(age: int) -> None:
    assert looked(an_operation(CREATE, 1, UNKNOWN, reason=Reason.RATE_LIMITED), Absent(), age).step is LOOK_UP


def test_a_held_create_goes_on_after_an_empty_look_up() -> None:
    held = an_operation(CREATE, 0, ACCEPTED, reason=Reason.CREDENTIALS)
    assert (looked(held, Absent()).state, looked(held, Absent()).step) == (ACCEPTED, SEND)
    assert (looked(held, LookUpFailed()).state, looked(held, LookUpFailed()).step) == (ACCEPTED, LOOK_UP)
    assert looked(held, MINE).state is SUCCEEDED


@pytest.mark.parametrize("state", [UNKNOWN, NEEDS_REVIEW, REJECTED, CLOSED])
@pytest.mark.parametrize("unsure", [0, 1])
@pytest.mark.parametrize("age", [0, WINDOW + 1])
@pytest.mark.parametrize("reason", [each for each in Reason if each is not Reason.RATE_LIMITED])
def test_a_look_up_never_queues_a_create_again(state: State, unsure: int, age: int, reason: Reason) -> None:
    for seen in (MINE, Absent(), Several(), Differs("amount"), LookUpFailed()):
        held_back = unsure == 0 and state is UNKNOWN and reason not in machine.REFUSED_FOR.values()
        if not held_back:  # no send leaves an `unknown` create without doubt and without a refusal
            verdict = looked(a_watched(state, unsure, reason), seen, age)
            assert verdict.step is not SEND, seen


def a_watched(state: State, unsure: int, reason: Reason) -> Operation:
    decision = Decision(decision="close", by="other", at=0, verdict="not_executed")
    return an_operation(CREATE, unsure, state, reason=reason, decisions=(decision,) if state is CLOSED else ())


@pytest.mark.parametrize("reason", [Reason.CONTRADICTION, Reason.SEVERAL])
@pytest.mark.parametrize("unsure", [0, 1])
def test_what_was_seen_once_is_not_forgotten_when_a_stale_look_up_shows_nothing(reason: Reason, unsure: int) -> None:
    verdict = looked(an_operation(CREATE, unsure, NEEDS_REVIEW, reason=reason), Absent())
    assert (verdict.state, verdict.reason, verdict.step) == (NEEDS_REVIEW, reason, LOOK_UP)


@pytest.mark.parametrize("seen", [Several(), Differs("amount")])
@pytest.mark.parametrize("reason", [Reason.ABSENT, Reason.RATE_LIMITED, Reason.NOT_CONFIRMED])
def test_a_persons_case_that_turns_into_a_contradiction_is_an_alarm(reason: Reason, seen: LookUp) -> None:
    assert looked(an_operation(CREATE, 1, NEEDS_REVIEW, reason=reason), seen).alarm


@pytest.mark.parametrize(("seen", "reason"), [(Several(), Reason.SEVERAL), (Differs("amount"), Reason.CONTRADICTION)])
def test_an_alarm_sounds_once(seen: LookUp, reason: Reason) -> None:
    operation = an_operation(CREATE, 1, UNKNOWN, reason=Reason.NO_CLEAR_ANSWER)
    first = looked(operation, seen)
    assert first.alarm and first.reason is reason
    assert not looked(applied(operation, first, 0), seen).alarm


@pytest.mark.parametrize("seen", [MINE, Several(), Differs("amount")])
def test_money_that_appears_against_a_persons_verdict_is_an_alarm(seen: LookUp) -> None:
    verdict = looked(a_watched(CLOSED, 1, Reason.ABSENT), seen)
    assert (verdict.state, verdict.alarm) == (CLOSED, True)


def test_what_was_closed_as_executed_and_appears_is_no_alarm() -> None:
    decision = Decision(decision="close", by="other", at=0, verdict="executed")
    verdict = looked(an_operation(CREATE, 1, CLOSED, reason=Reason.ABSENT, decisions=(decision,)), MINE)
    assert (verdict.state, verdict.alarm, verdict.step) == (CLOSED, False, None)


@pytest.mark.parametrize("seen", [Absent(), LookUpFailed()])
def test_what_was_closed_is_watched_until_it_appears(seen: LookUp) -> None:
    verdict = looked(a_watched(CLOSED, 1, Reason.ABSENT), seen)
    assert (verdict.state, verdict.step, verdict.delay) == (CLOSED, LOOK_UP, 3600)


@pytest.mark.parametrize(
    ("unsure", "age", "seen", "expected"),
    [
        (1, 1, MINE, (SUCCEEDED, None)),
        (1, 1, NOT_YET, (UNKNOWN, LOOK_UP)),
        (1, 59, NOT_YET, (UNKNOWN, LOOK_UP)),
        (1, 60, NOT_YET, (UNKNOWN, SEND)),
        (4, 60, NOT_YET, (UNKNOWN, SEND)),
        (5, 60, NOT_YET, (NEEDS_REVIEW, LOOK_UP)),
        (1, 1, OTHERS, (NEEDS_REVIEW, LOOK_UP)),
        (1, 1, Absent(), (NEEDS_REVIEW, LOOK_UP)),
        (1, 899, LookUpFailed(), (UNKNOWN, LOOK_UP)),
        (1, 999, LookUpFailed(), (NEEDS_REVIEW, LOOK_UP)),
    ],
)
def test_a_guarded_write_is_repeated_only_after_its_quarantine(
    unsure: int, age: int, seen: LookUp, expected: tuple[State, Step | None]
) -> None:
    verdict = looked(an_operation(GUARDED, unsure, UNKNOWN, reason=Reason.NO_CLEAR_ANSWER), seen, age)
    assert (verdict.state, verdict.step) == expected
    assert verdict.alarm is (verdict.state is NEEDS_REVIEW)


def test_the_quarantine_ends_sixty_seconds_after_the_send() -> None:
    assert looked(an_operation(GUARDED, 1, UNKNOWN), NOT_YET, 20).delay == 40


@pytest.mark.parametrize(("acknowledged", "attribution"), [(True, None), (False, "unverified")])
def test_a_target_reached_without_an_acknowledgement_may_be_another_s_work(
    acknowledged: bool, attribution: str | None
) -> None:
    operation = an_operation(GUARDED, 1, UNKNOWN, acknowledged=acknowledged)
    assert looked(operation, MINE).attribution == attribution


@pytest.mark.parametrize("effect", [GUARDED, CONVERGENT])
def test_a_conflict_after_our_own_unsure_try_is_read(effect: Effect) -> None:
    operation = an_operation(effect, 1, UNKNOWN, reason=Reason.CONFLICT)
    assert (looked(operation, MINE).state, looked(operation, MINE).attribution) == (SUCCEEDED, "unverified")
    assert (looked(operation, NOT_YET).state, looked(operation, NOT_YET).reason) == (NEEDS_REVIEW, Reason.CONFLICT)


def test_a_guarded_write_is_sent_five_times_at_most() -> None:
    sends = sent_until_review(GUARDED, NOT_YET)
    assert sends == machine.GUARDED_TRIES == 5


def test_a_convergent_write_is_sent_three_times_at_most() -> None:
    assert sent_until_review(CONVERGENT, NOT_YET) == machine.CONVERGENT_TRIES == 3


def test_a_create_is_sent_once() -> None:
    assert sent_until_review(CREATE, Absent()) == 1


def sent_until_review(effect: Effect, seen: LookUp) -> int:
    """How often it is sent where no answer ever comes."""
    operation = an_operation(effect)
    while operation.state is not NEEDS_REVIEW:
        if operation.state is SENDING:
            verdict = machine.after_send(operation, OUTCOMES["timeout"])
        else:
            verdict = looked(operation, seen)
        operation = applied(operation, verdict, 0)
        if operation.step is SEND:
            operation = msgspec.structs.replace(operation, state=SENDING, attempts=operation.attempts + 1)
    return operation.attempts


# Another connection.


@pytest.mark.parametrize("name", OUTCOMES)
def test_only_what_never_left_may_go_elsewhere_and_what_left_is_pinned(name: str) -> None:
    operation = an_operation(CREATE)
    verdict = machine.after_send(operation, OUTCOMES[name])
    after = applied(operation, verdict, 0)
    assert verdict.elsewhere is (name == "not sent")
    assert (after.pinned, machine.may_move(after)) == (name != "not sent", name == "not sent")


def test_a_login_that_was_refused_left_nothing_of_the_operation() -> None:
    refusal = Refusal(RefusalKind.CREDENTIALS, 401)
    verdict = machine.after_send(an_operation(CREATE), Refused(Evidence(False, 401, "login refused"), refusal))
    assert (verdict.elsewhere, verdict.hold, verdict.pins) == (True, True, False)


@pytest.mark.parametrize("pinned", [{"pinned": True}, {"unsure": 1}])
def test_what_once_left_stays_even_if_the_next_attempt_does_not(pinned: dict[str, Any]) -> None:
    verdict = machine.after_send(an_operation(CREATE, **pinned), OUTCOMES["not sent"])
    assert verdict.elsewhere is False


def test_our_own_delay_is_no_reason_to_go_elsewhere() -> None:
    late = NotSent(Evidence(False, None, "too late to send"), ours=True)
    assert machine.after_send(an_operation(CREATE), late).elsewhere is False


def test_who_dies_while_sending_pins() -> None:
    assert applied(an_operation(CREATE), machine.after_crash(an_operation(CREATE)), 0).pinned is True


# What waits too long.


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("unsure", [0, 1])
@pytest.mark.parametrize("age", [99, 100])
def test_only_what_waits_unsent_expires(state: State, unsure: int, age: int) -> None:
    verdict = machine.expired(an_operation(CREATE, unsure, state), age, 100)
    too_long = state is ACCEPTED and unsure == 0 and age >= 100
    unapproved = state is State.AWAITING_APPROVAL  # which falls due only when its time is over
    assert (verdict.state if verdict else None) is (State.EXPIRED if too_long or unapproved else None)
