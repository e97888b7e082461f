"""The simulated schedules keep every promise, and without any one guard they do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from gateway.operation import Operation, State
from gateway.store.audit import Broken
from providers.sdk import Effect, Money
from tests.battery.checker import INVARIANTS, Execution, Move, Told, chain, check, executions_of_log, slot_of, stuck
from tests.battery.guards import GUARDS
from tests.battery.schedules import AMOUNT, CREATE_FAULTS, PAYEE, TEMPLATE, Summary, main, run, run_many

COUNT = 20_000
WORLD_FAULTS = (
    "killed", "paused", "read_lag", "taken_over", "credentials_fail", "commit_failed", "commit_lost", "fenced",
    "look_up_failed", "moved", "someone_else", "released", "close", "cancel", "task_interrupted",
)  # fmt: skip


@pytest.fixture(scope="module")
def summary() -> Summary:
    whole = Summary()
    for part in run_many(0, COUNT):
        whole.merge(part)
    return whole


def test_twenty_thousand_schedules_break_no_promise(summary: Summary) -> None:
    assert summary.schedules == COUNT
    assert summary.violations.total() == 0, summary.broken[:5]


def test_every_fault_happened_often(summary: Summary) -> None:
    rare = {fault: summary.faults[fault] for fault in (*CREATE_FAULTS, *WORLD_FAULTS) if summary.faults[fault] < 50}
    assert rare == {}


def test_operations_ended_in_every_state_of_rest(summary: Summary) -> None:
    ends = {State.SUCCEEDED, State.REJECTED, State.NEEDS_REVIEW, State.CLOSED, State.EXPIRED, State.CANCELLED}
    assert {state for state, number in summary.states.items() if number > 50} >= {str(state) for state in ends}


def test_what_cannot_be_promised_is_counted_and_rare(summary: Summary) -> None:
    """A person's release pays twice only where the first send shows later than the window and than his look-up."""
    assert 0 < summary.limits["released before it showed"] < COUNT * 0.01
    assert summary.limits.total() < COUNT * 0.03


@pytest.mark.parametrize("name", GUARDS)
def test_without_this_guard_a_promise_is_broken(name: str) -> None:
    guard = GUARDS[name]
    assert set(guard.caught_by) <= INVARIANTS.keys()
    assert any(invariant in guard.caught_by for invariant in _broken_without(name)), guard.why


def _broken_without(name: str) -> Iterator[str]:
    for seed in range(GUARDS[name].within):
        for violation in run(seed, name).violations:
            yield violation.invariant


def test_a_seed_is_one_schedule() -> None:
    first, second = run(813, trace=True), run(813, trace=True)
    assert first.trace == second.trace
    assert first.trace != run(814, trace=True).trace


def test_a_schedule_can_be_read_event_by_event() -> None:
    printed = CliRunner().invoke(main, ["--seed", "813", "--count", "1"])
    assert "seed 813" in printed.output
    assert "journal     op" in printed.output


def test_the_numbers_can_be_had_as_json() -> None:
    printed = CliRunner().invoke(main, ["--count", "50", "--processes", "1", "--json"])
    assert json.loads(printed.stdout)["schedules"] == 50


def test_a_broken_promise_prints_its_seed_and_its_events() -> None:
    printed = CliRunner().invoke(main, ["--count", "20", "--processes", "1", "--without", "one_reference"])
    assert printed.exit_code == 1
    assert "VIOLATION one_reference" in printed.output
    assert "executed op" in printed.output


# The checker itself, as the batteries of real processes use it.

CREATED = msgspec.structs.replace(
    TEMPLATE, id="op", key="k", reference="r", provider_reference="REF", currency="GBP", minor_units=1023
)
ONCE = Execution(slot_of(CREATED), 1, AMOUNT, PAYEE)
OTHER = msgspec.structs.replace(CREATED, id="other", key="k2")


def _broken(operation: Operation, *executions: Execution, **more: Any) -> set[str]:
    return {each.invariant for each in check([operation], executions, **more)}


def _ended(state: State, **more: Any) -> Operation:
    return msgspec.structs.replace(CREATED, state=state, **more)


def test_one_execution_is_right_and_two_are_not() -> None:
    assert _broken(_ended(State.SUCCEEDED), ONCE) == set()
    assert _broken(_ended(State.SUCCEEDED), ONCE, ONCE) == {"executed_once"}


def test_a_convergent_write_may_be_repeated_but_change_something_once() -> None:
    mark = _ended(State.SUCCEEDED, effect=Effect.CONVERGENT)
    idle = msgspec.structs.replace(ONCE, changed=False)
    assert _broken(mark, ONCE, idle, idle) == set()
    assert _broken(mark, ONCE, ONCE) == {"changed_once"}


@pytest.mark.parametrize("wrong", [{"amount": Money("GBP", 1)}, {"amount": Money("EUR", 1023)}, {"payee": "Other"}])
def test_success_with_another_amount_currency_or_payee_is_none(wrong: dict[str, Any]) -> None:
    assert _broken(_ended(State.SUCCEEDED), msgspec.structs.replace(ONCE, **wrong)) == {"success_is_real"}


@pytest.mark.parametrize("state", [State.REJECTED, State.EXPIRED, State.CANCELLED])
def test_a_refusal_of_what_was_executed_is_a_lie(state: State) -> None:
    assert _broken(_ended(state)) == set()
    assert _broken(_ended(state), ONCE) == {"refusal_is_real"}


def test_what_the_journal_does_not_know_is_found() -> None:
    assert {each.invariant for each in check([], [ONCE], accepted=["t/gone/"])} == {"journaled", "nothing_vanishes"}


def test_one_reference_paid_under_two_keys_is_found() -> None:
    both = [_ended(State.SUCCEEDED), msgspec.structs.replace(OTHER, state=State.SUCCEEDED)]
    found = check(both, [ONCE, msgspec.structs.replace(ONCE, slot=slot_of(OTHER))])
    assert [each.invariant for each in found] == ["one_reference"]


def test_an_answer_that_the_journal_never_held_is_found() -> None:
    assert _broken(_ended(State.UNKNOWN), told=[Told("op", State.SUCCEEDED)]) == {"answers_are_recorded"}


def test_a_final_state_that_changes_is_found() -> None:
    back = Move("op", State.SUCCEEDED, State.UNKNOWN, 2)
    assert _broken(_ended(State.UNKNOWN), moves=[back]) == {"final_stays"}
    later = Move("op", State.REJECTED, State.NEEDS_REVIEW, 2)
    assert _broken(_ended(State.NEEDS_REVIEW), moves=[later]) == set()


def test_what_does_not_come_to_rest_is_found() -> None:
    sending, idle = _ended(State.SENDING, sent_at=1), _ended(State.UNKNOWN)
    late = _ended(State.UNKNOWN, due_at=1)
    assert [each.invariant for each in stuck([sending, idle, late], 100_000, 5)] == ["not_stuck", "at_rest", "at_rest"]
    assert stuck([_ended(State.NEEDS_REVIEW), _ended(State.UNKNOWN, due_at=99_000)], 100_000, 5) == []


def test_a_broken_audit_chain_is_a_violation() -> None:
    assert [each.invariant for each in chain([Broken("t", 3, "entry 2 is missing")])] == ["audit_whole"]


ENTRY: dict[str, Any] = {
    "at": 1.5, "operation": "create_payout", "executed": True, "changed": True, "ids": ["po:1"], "reference": "REF",
    "amount": "10.23", "currency": "GBP", "payee": PAYEE,
}  # fmt: skip
NAMES = {"create": "create_payout", "complete": "complete_payout"}


def test_a_simulator_s_log_is_read_as_executions() -> None:
    refused = {**ENTRY, "executed": False}
    assert executions_of_log("c", [refused, ENTRY], [CREATED], NAMES) == [msgspec.structs.replace(ONCE, at=1500)]


def test_a_bulk_call_in_the_log_is_one_execution_for_each_payout() -> None:
    marks = [
        msgspec.structs.replace(
            CREATED, id=id, key=id, action="complete", effect=Effect.GUARDED, target=id, provider_reference=None
        )
        for id in ("1", "2")
    ]
    entry = {**ENTRY, "operation": "complete_payout", "ids": ["1", "2"], "reference": None, "amount": 12.5}
    found = executions_of_log("c", [entry], marks, NAMES)
    assert [each.slot for each in found] == [slot_of(mark) for mark in marks]


def test_an_execution_that_nobody_ordered_is_found() -> None:
    found = executions_of_log("c", [{**ENTRY, "reference": "STRAY"}], [CREATED], NAMES)
    assert [each.invariant for each in check([CREATED], found)] == ["journaled"]
