"""The proof that the battery can fail: each guard of the protocol, removable by itself, and the promise that it keeps.

`Rules` is what the model runs by: the real pure functions, and the steps around them as the gateway does them. A guard
is removed by replacing one function or turning one switch. The tests name every guard and watch it being missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from gateway.engine import machine
from gateway.engine.machine import Absent, Differs, Found, LookUp, Verdict
from gateway.operation import Operation, Reason, State, Step
from gateway.upstream import Answered, Contradicted, NotSent, Outcome, Refused, Unclear
from providers.sdk import Effect, Payout, PayoutStatus, RefusalKind

SOME_PAYOUT = Payout(id="po-any", status=PayoutStatus.COMPLETED, provider_status="completed")
# What a classifier by exception name takes for "never sent": some of each class were executed.
NAMES_OF_THE_UNSENT = ("ConnectError", "ConnectTimeout", "ReadError")


@dataclass(frozen=True, slots=True)
class Rules:
    """The gateway's behaviour, guard by guard. The functions are the real ones."""

    after_send: Callable[[Operation, Outcome[Any]], Verdict] = machine.after_send
    after_look_up: Callable[[Operation, LookUp, int, int], Verdict] = machine.after_look_up
    after_crash: Callable[[Operation], Verdict] = machine.after_crash
    expired: Callable[[Operation, int, int], Verdict | None] = machine.expired
    classify: Callable[[Outcome[Any]], Outcome[Any]] = lambda outcome: outcome
    understand: Callable[[LookUp], LookUp] = lambda seen: seen
    commits_first: bool = True  # the `sending` commit comes before the send
    answers_after_commit: bool = True
    rereads_lost_commits: bool = True
    lost_commit_keeps_fence: bool = True  # what is sent then is what was accepted, not what it has become meanwhile
    commits_are_durable: bool = True  # False: a failover of the store forgets the last ones
    claims_in_sql: bool = True  # False: the key is claimed in a store that a failover empties
    unique_references: bool = True
    one_open_write: bool = True
    claims_compare_fences: bool = True
    records_compare_fences: bool = True
    records_move_fences: bool = True
    take_over_moves_fence: bool = True
    takes_over: bool = True
    moves_are_committed: bool = True  # to another connection, before anything is sent there
    deadline: str = "of_commit"  # or "of_send": counted from the send's own start; or "none"
    cancels_only_unsent: bool = True
    release_looks_up: bool = True
    release_spares_the_seen: bool = True
    close_waits: bool = True  # until the quarantine is over
    knows_successors: bool = True  # a rejected create is not looked up once its reference is another's
    rereads_lost_fences: bool = True  # a caller is told what the journal holds, not the result that came too late


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard, taken away. `caught_by`: the invariants of which one must break, `within` so many schedules.

    `effect` and `character` say where it shows: what a schedule would draw at random, and is set.
    """

    why: str
    rules: Rules
    caught_by: tuple[str, ...]
    effect: Effect | None = None
    within: int = 5000
    character: Mapping[str, Any] = field(default_factory=dict)


def _requeued(operation: Operation) -> Verdict:
    return Verdict(State.ACCEPTED, Reason.INTERRUPTED, step=Step.SEND)


def _retries_on_503(operation: Operation, outcome: Outcome[Any]) -> Verdict:
    if isinstance(outcome, Unclear) and outcome.evidence.status == 503:
        return Verdict(State.ACCEPTED, Reason.NOT_SENT, step=Step.SEND, delay=5)
    return machine.after_send(operation, outcome)


def _by_exception_name(outcome: Outcome[Any]) -> Outcome[Any]:
    if isinstance(outcome, Unclear) and outcome.evidence.detail in NAMES_OF_THE_UNSENT:
        return NotSent(outcome.evidence)
    return outcome


def _unclear_is_failed(operation: Operation, outcome: Outcome[Any]) -> Verdict:
    if isinstance(outcome, Unclear):
        return Verdict(State.REJECTED, Reason.NO_CLEAR_ANSWER)
    return machine.after_send(operation, outcome)


def _without_doubt(operation: Operation, outcome: Outcome[Any]) -> Verdict:
    """Forgets that an attempt may have been executed."""
    return replace(machine.after_send(operation, outcome), maybe_executed=False)


def _resends_inside_window(operation: Operation, seen: LookUp, age: int, window: int) -> Verdict:
    if isinstance(seen, Absent) and operation.state is State.UNKNOWN and operation.effect is Effect.CREATE:
        return Verdict(State.UNKNOWN, Reason.ABSENT, step=Step.SEND)
    return machine.after_look_up(operation, seen, age, window)


def _resends_after_window(operation: Operation, seen: LookUp, age: int, window: int) -> Verdict:
    verdict = machine.after_look_up(operation, seen, age, window)
    if isinstance(seen, Absent) and verdict.state is State.NEEDS_REVIEW and operation.effect is Effect.CREATE:
        return Verdict(State.UNKNOWN, Reason.ABSENT, step=Step.SEND)
    return verdict


def _rejects_unseen(operation: Operation, outcome: Outcome[Any]) -> Verdict:
    verdict = machine.after_send(operation, outcome)
    if isinstance(outcome, Refused) and verdict.state is State.UNKNOWN and verdict.reason is Reason.INVALID:
        return Verdict(State.REJECTED, Reason.INVALID)
    return verdict


def _rejects_for_good(operation: Operation, seen: LookUp, age: int, window: int) -> Verdict:
    verdict = machine.after_look_up(operation, seen, age, window)
    return replace(verdict, step=None) if verdict.state is State.REJECTED else verdict


def _adopts_anything(seen: LookUp) -> LookUp:
    return Found(SOME_PAYOUT, at_target=True) if isinstance(seen, Differs) else seen


def _believes_any_echo(outcome: Outcome[Any]) -> Outcome[Any]:
    return Answered(outcome.evidence, SOME_PAYOUT) if isinstance(outcome, Contradicted) else outcome


def _repeats_at_once(operation: Operation, seen: LookUp, age: int, window: int) -> Verdict:
    repeats = operation.effect is Effect.GUARDED and isinstance(seen, Found) and not seen.at_target
    return machine.after_look_up(operation, seen, max(age, machine.QUARANTINE) if repeats else age, window)


def _converges_at_once(operation: Operation, outcome: Outcome[Any]) -> Verdict:
    verdict = machine.after_send(operation, outcome)
    unclear = isinstance(outcome, Unclear) and verdict.step is Step.SEND
    return replace(verdict, delay=0) if unclear else verdict


def _trusts_acknowledgements(operation: Operation, outcome: Outcome[Any]) -> Verdict:
    if isinstance(outcome, Answered):
        return Verdict(State.SUCCEEDED, maybe_executed=True)
    return machine.after_send(operation, outcome)


def _resends_after_429_at_once(operation: Operation, outcome: Outcome[Any]) -> Verdict:
    if isinstance(outcome, Refused) and outcome.refusal.kind is RefusalKind.RATE_LIMITED:
        return Verdict(State.ACCEPTED, Reason.RATE_LIMITED, step=Step.SEND, delay=outcome.refusal.retry_after or 1)
    return machine.after_send(operation, outcome)


def _absent_is_accepted(operation: Operation, seen: LookUp, age: int, window: int) -> Verdict:
    """What a person should decide goes back to the queue when a stale look-up shows nothing."""
    if operation.effect is Effect.CREATE and operation.state is State.NEEDS_REVIEW and isinstance(seen, Absent):
        return Verdict(State.ACCEPTED, operation.reason, step=Step.SEND)
    return machine.after_look_up(operation, seen, age, window)


def _closes_its_eyes(operation: Operation, seen: LookUp, age: int, window: int) -> Verdict:
    if operation.state is State.CLOSED:
        return Verdict(State.CLOSED, operation.reason)
    return machine.after_look_up(operation, seen, age, window)


def _expires_the_unsure(operation: Operation, age: int, expires_after: int) -> Verdict | None:
    if operation.state in (State.ACCEPTED, State.UNKNOWN) and age >= expires_after:
        return Verdict(State.EXPIRED)
    return None


def _tries_elsewhere(operation: Operation, outcome: Outcome[Any]) -> Verdict:
    """Takes a timeout for a reason to try another connection."""
    verdict = machine.after_send(operation, outcome)
    if isinstance(outcome, Unclear) and operation.routing.reserve:
        return replace(verdict, state=State.ACCEPTED, step=Step.SEND, maybe_executed=False, elsewhere=True)
    return verdict


def _keeps_waiting(operation: Operation, seen: LookUp, age: int, window: int) -> Verdict:
    """Forgets what comes next where a look-up was not answered."""
    verdict = machine.after_look_up(operation, seen, age, window)
    return replace(verdict, step=None) if isinstance(seen, machine.LookUpFailed) else verdict


NONE_REMOVED = Guard("", Rules(), ())
SECOND = 1000
# Gateways that stand still for long, while others go on and people decide.
ZOMBIES = {"machines": 3, "pause": 0.1, "crash": 0.0, "quiet": 1500 * SECOND, "window": 120 * SECOND}
# Requests that land some seconds after their answer was lost.
LANDS_LATE = {"favourite": "late", "lateness_most": 20 * SECOND, "bad": 0.6, "pause": 0.0, "crash": 0.0, "read_lag": 0}
LANDS_HOURS_LATE = {**LANDS_LATE, "lateness_most": 10_800 * SECOND, "window": 120 * SECOND, "expiry": False}
SHOWS_LATE = {"favourite": "late", "lateness_most": 300 * SECOND, "bad": 0.9}
TWICE = ("executed_once", "one_reference")
CREATE, GUARDED, CONVERGENT = Effect.CREATE, Effect.GUARDED, Effect.CONVERGENT

GUARDS: dict[str, Guard] = {
    "commit_before_send": Guard(
        "sends first and journals the outcome", Rules(commits_first=False), ("executed_once", "journaled"), CREATE
    ),
    "crash_leaves_unknown": Guard("re-queues what was `sending`", Rules(after_crash=_requeued), TWICE, CREATE),
    "503_is_unclear": Guard("retries on 503", Rules(after_send=_retries_on_503), TWICE, CREATE),
    "trace_not_exception_name": Guard(
        "tells unsent from sent by the exception's name", Rules(classify=_by_exception_name), TWICE, CREATE
    ),
    "claim_in_sql": Guard(
        "claims the key in a store that a failover empties", Rules(claims_in_sql=False), TWICE, CREATE
    ),
    "fence_at_claim": Guard(
        "takes an operation that someone else took", Rules(claims_compare_fences=False), ("final_stays", *TWICE), CREATE
    ),
    "fence_at_record": Guard(
        "applies the result of a stale worker", Rules(records_compare_fences=False), ("final_stays", *TWICE), CREATE
    ),
    "fence_moves_at_record": Guard(
        "leaves the fence as it is when a verdict is recorded",
        Rules(records_move_fences=False),
        ("final_stays", *TWICE),
        CREATE,
        20_000,
        {**ZOMBIES, **SHOWS_LATE},
    ),
    "fence_moves_at_take_over": Guard(
        "takes over what a dead process sent without a new fence",
        Rules(take_over_moves_fence=False, records_move_fences=False),
        ("final_stays", *TWICE),
    ),
    "send_deadline": Guard(
        "a paused process sends however late it is", Rules(deadline="none"), TWICE, CREATE, 5000, ZOMBIES
    ),
    "send_deadline_of_the_commit": Guard(
        "counts the deadline from the start of the send, not from the commit",
        Rules(deadline="of_send"),
        TWICE,
        CREATE,
        5000,
        ZOMBIES,
    ),
    "create_is_not_resent": Guard(
        "resends a create that a look-up inside the window does not show",
        Rules(after_look_up=_resends_inside_window),
        TWICE,
        CREATE,
    ),
    "absent_needs_a_person": Guard(
        "resends a create by itself after the window", Rules(after_look_up=_resends_after_window), TWICE, CREATE
    ),
    "review_is_left_by_people": Guard(
        "queues a case of a person again when a stale look-up shows nothing",
        Rules(after_look_up=_absent_is_accepted),
        TWICE,
        CREATE,
    ),
    "429_waits_and_looks_up": Guard(
        "resends a create as soon as a 429 says so", Rules(after_send=_resends_after_429_at_once), TWICE, CREATE
    ),
    "rejected_is_looked_up": Guard(
        "believes a refusal without a look-up", Rules(after_send=_rejects_unseen), ("refusal_is_real",), CREATE
    ),
    "rejected_is_looked_up_later": Guard(
        "never looks at a rejected create again", Rules(after_look_up=_rejects_for_good), ("refusal_is_real",), CREATE
    ),
    "look_up_compares_amounts": Guard(
        "adopts whatever carries the reference", Rules(understand=_adopts_anything), ("success_is_real",), CREATE
    ),
    "answer_echoes": Guard(
        "believes an answer that names another amount", Rules(classify=_believes_any_echo), ("success_is_real",), CREATE
    ),
    "one_open_write_per_payout": Guard(
        "lets two writes on one payout run together",
        Rules(one_open_write=False),
        ("changed_once", "settled"),
        CONVERGENT,
    ),
    "one_reference": Guard(
        "accepts a reference again under another key", Rules(unique_references=False), ("one_reference",), CREATE
    ),
    "release_looks_up": Guard(
        "releases without a look-up", Rules(release_looks_up=False), TWICE, CREATE, 5000, LANDS_HOURS_LATE
    ),
    "release_spares_what_was_seen": Guard(
        "releases what the provider has shown before",
        Rules(release_spares_the_seen=False),
        TWICE,
        CREATE,
        5000,
        {"favourite": "contradicted", "bad": 0.6, "read_lag": 60 * SECOND},
    ),
    "cancel_only_unsent": Guard(
        "cancels whatever is accepted or unknown", Rules(cancels_only_unsent=False), ("refusal_is_real",)
    ),
    "unclear_is_unknown": Guard(
        "takes an unclear answer for a failure", Rules(after_send=_unclear_is_failed), ("refusal_is_real",)
    ),
    "doubt_is_kept": Guard(
        "forgets that an attempt may have been executed",
        Rules(after_send=_without_doubt),
        ("executed_once", "refusal_is_real"),
    ),
    "sent_is_pinned": Guard(
        "tries another connection after an unclear answer", Rules(after_send=_tries_elsewhere), TWICE, CREATE
    ),
    "moves_are_committed": Guard(
        "sends elsewhere what the journal still has at the first connection",
        Rules(moves_are_committed=False),
        TWICE,
        CREATE,
        20_000,
        {"reserve": True, "favourite": "unsent", "bad": 0.9, "crash": 0.05},
    ),
    "only_the_unsent_expires": Guard(
        "lets expire what may have been executed", Rules(expired=_expires_the_unsure), ("refusal_is_real",)
    ),
    "quarantine": Guard(
        "repeats a guarded write at once",
        Rules(after_look_up=_repeats_at_once),
        ("settled", "executed_once"),
        GUARDED,
        5000,
        LANDS_LATE,
    ),
    "pause_before_repeating": Guard(
        "repeats a convergent write at once",
        Rules(after_send=_converges_at_once),
        ("settled", "changed_once"),
        CONVERGENT,
        5000,
        LANDS_LATE,
    ),
    "closed_is_watched": Guard(
        "stops watching what a person closed", Rules(after_look_up=_closes_its_eyes), ("alarmed",), CREATE
    ),
    "answers_after_the_commit": Guard(
        "answers before the commit", Rules(answers_after_commit=False), ("nothing_vanishes",)
    ),
    "commits_are_durable": Guard(
        "runs on a store that forgets its last commit", Rules(commits_are_durable=False), ("nothing_vanishes", *TWICE)
    ),
    "lost_commit_is_reread": Guard(
        "believes a commit that erred", Rules(rereads_lost_commits=False), ("journaled", "nothing_vanishes", *TWICE)
    ),
    "lost_commit_keeps_its_fence": Guard(
        "goes on with what a re-read shows, after someone else took it over",
        Rules(lost_commit_keeps_fence=False),
        ("final_stays", *TWICE),
        None,
        5000,
        {**ZOMBIES, "misfires": 0.1},
    ),
    "close_waits_for_the_quarantine": Guard(
        "closes a mark that may still land",
        Rules(close_waits=False),
        ("not_undone", "changed_once"),
        CONVERGENT,
        5000,
        LANDS_LATE,
    ),
    "successor_keeps_its_reference": Guard(
        "looks up a rejected create whose reference is another's by now",
        Rules(knows_successors=False),
        ("recordable", "success_is_real", "final_stays"),
        CREATE,
    ),
    "callers_hear_what_is_recorded": Guard(
        "tells a caller the result that came too late to be recorded",
        Rules(rereads_lost_fences=False),
        ("answers_are_recorded",),
    ),
    "dead_work_is_taken_over": Guard(
        "leaves to its fate what a dead process sent", Rules(takes_over=False), ("not_stuck",)
    ),
    "failed_look_ups_go_on": Guard(
        "forgets an operation whose look-up failed", Rules(after_look_up=_keeps_waiting), ("at_rest",)
    ),
}
