"""Every fault of every simulated provider, at every write: what callers are told, and where each story ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.simulator.faults import FAULTS
from gateway.engine import machine
from gateway.operation import State
from gateway.upstream import NotSent, Unclear
from providers.sdk import Effect
from tests.battery.fault_table import BEFORE_THE_CONNECTION, WRITES, Class, cells, first, oracle, outcome, rest
from tests.battery.faults import meet, run, spread
from tests.battery.result import Result, silent

SEED = 20261120
EVERY = cells()


@pytest.fixture(scope="module")
def result() -> Result:
    found = run(len(EVERY), SEED, silent)
    print(f"seed {SEED}: {found}")
    return found


def test_every_cell_is_answered_and_ends_as_the_design_says(result: Result) -> None:
    assert result.violations == []
    assert result.runs == len(EVERY)


def test_stories_end_in_every_state_of_rest(result: Result) -> None:
    ends = {name.removeprefix("ended ") for name in result.happened if name.startswith("ended")}
    assert ends == {"succeeded", "rejected", "needs_review", "expired"}


def test_the_matrix_has_every_fault_and_those_before_the_connection() -> None:
    met = {cell.fault for cell in EVERY if cell.fault} | {"read_lag" for cell in EVERY if cell.story == "lags"}
    assert met == FAULTS.keys() | set(BEFORE_THE_CONNECTION)
    assert len(FAULTS) >= 25


def test_the_matrix_has_every_write_that_a_provider_documents() -> None:
    providers = ("firstpromoter", "heldsway", "ledger", "tokenio")
    documented = {
        (provider, name)
        for provider in providers
        for name, operation in oracle(provider)["operations"].items()
        if operation["effect"] != "read"
    }
    assert {(write.provider, write.operation) for write in WRITES} == documented
    marks = {(write.operation, write.action) for write in WRITES if write.provider == "firstpromoter"}
    assert marks == {("update_payout", action) for action in ("process", "complete", "reopen")}


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.name)
def test_each_write_meets_each_fault_before_and_after_where_that_makes_sense(write: Any) -> None:
    own = {(cell.fault, cell.when) for cell in EVERY if cell.write is write}
    unknown = {"wrong_reference"} if write.provider == "firstpromoter" else set()  # it keeps none
    wanted = {(fault, when) for fault, kind in FAULTS.items() for when in kind.when if fault != "read_lag"}
    assert {each for each in wanted if each[0] not in unknown} <= own


def test_what_was_executed_is_never_expected_to_end_as_rejected() -> None:
    executed = [cell for cell in EVERY if cell.executed != "never"]
    assert {first(cell).state for cell in executed} & {State.REJECTED, State.EXPIRED} == set()
    assert {rest(cell).state for cell in executed} == {State.SUCCEEDED, State.NEEDS_REVIEW}


def test_a_share_has_as_much_of_each_fault_as_of_any_other() -> None:
    share = spread(EVERY, len(EVERY) // 4, SEED)
    assert share == spread(EVERY, len(EVERY) // 4, SEED)
    counts = Counter(cell.fault for cell in share if cell.fault != "status")
    assert counts.keys() == {cell.fault for cell in EVERY if cell.fault != "status"}
    assert len({cell.write.name for cell in share}) == len(WRITES)


def a_timeout_is_a_failure(after_send: Any) -> Any:
    def broken(operation: Any, sent: Any) -> Any:
        verdict = after_send(operation, sent)
        return replace(verdict, state=State.REJECTED, step=None) if isinstance(sent, Unclear) else verdict

    return broken


def a_broken_connection_was_not_sent(after_send: Any) -> Any:
    def broken(operation: Any, sent: Any) -> Any:
        lost = isinstance(sent, Unclear) and sent.evidence.status is None
        return after_send(operation, NotSent(sent.evidence) if lost else sent)

    return broken


def an_acknowledgement_is_a_proof(after_send: Any) -> Any:
    def broken(operation: Any, sent: Any) -> Any:
        verdict = after_send(operation, sent)
        return replace(verdict, state=State.SUCCEEDED, step=None) if verdict.acknowledged else verdict

    return broken


def another_amount_is_good_enough(after_send: Any) -> Any:
    def broken(operation: Any, sent: Any) -> Any:
        verdict = after_send(operation, sent)
        return replace(verdict, state=State.SUCCEEDED, step=None) if verdict.alarm else verdict

    return broken


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("broken", "shown", "effect"),
    [
        (a_timeout_is_a_failure, Class.UNCLEAR, Effect.GUARDED),
        (a_broken_connection_was_not_sent, Class.UNCLEAR, Effect.CREATE),
        (an_acknowledgement_is_a_proof, Class.ACKNOWLEDGED, Effect.GUARDED),
        (another_amount_is_good_enough, Class.CONTRADICTED, Effect.CREATE),
    ],
)
async def test_the_matrix_notices(
    monkeypatch: pytest.MonkeyPatch, broken: Callable[[Any], Any], shown: Class, effect: Effect
) -> None:
    write = next(each for each in WRITES if each.effect is effect)
    chosen = [
        cell for cell in EVERY
        if cell.write is write and outcome(cell) is shown and cell.fault in ("reset", "junk", "wrong_amount")
    ]  # fmt: skip
    _, before = await meet(chosen, silent)
    assert before == []
    monkeypatch.setattr(machine, "after_send", broken(machine.after_send))
    _, after = await meet(chosen, silent)
    assert after != []
