"""What is asked for every payout, every second or for a page reads few rows, however many the journal holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.config import AmountLimits, Limits
from gateway.store.batch import Lent, Purpose
from gateway.store.interface import Row, Transaction
from gateway.store.journal import accept, record
from gateway.store.leases import claim_due
from gateway.store.limits import Holder, refuse_over
from gateway.store.questions import find_by_key, history, known_references, last_observation, list_operations
from gateway.store.schema import migrate
from gateway.store.sqlite import Session
from tests.store.records import TENANT, attempt, mark, observation, operation

HOLDER = Holder("connection", "bank", Limits(concurrency=3, amounts={"GBP": AmountLimits(per_day=2**50)}))
ASKED: dict[str, Callable[[Transaction], Any]] = {
    "accept a create": lambda tx: accept(tx, operation(), None),
    "accept a mark": lambda tx: accept(tx, mark(), None),
    "record": lambda tx: record(tx, operation(), attempt(operation()), observation(1)),
    "look for what is due": lambda tx: claim_due(tx, "a", 10, 1000, ("bank", "desk")),
    "find by key": lambda tx: find_by_key(tx, TENANT, "key", ""),
    "a payout's history": lambda tx: history(tx, TENANT, "bank", "po:1:2"),
    "its last observation": lambda tx: last_observation(tx, "bank", "po:1:2"),
    "a page of operations": lambda tx: list_operations(tx, TENANT, before="op_2"),
    "references of a page": lambda tx: known_references(tx, TENANT, "bank", ["a", "b"]),
    "what limits count": lambda tx: refuse_over(tx, operation(accepted_at=1), [HOLDER]),
}


class Explaining(Session):
    """Notes how SQLite goes about each statement."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.steps: list[str] = []

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        if parameters:
            self.steps += [row[3] for row in super().execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        return super().execute(sql, parameters)


@pytest.mark.parametrize("asked", ASKED)
def test_no_question_that_is_asked_often_reads_every_row(tmp_path: Path, asked: str) -> None:
    session = Explaining(tmp_path / "journal.db")
    migrate(session)
    session.steps.clear()
    session.begin(Purpose.ALONE, 0)
    ASKED[asked](Lent(session))
    session.rollback()
    session.close()
    assert session.steps
    assert [step for step in session.steps if step.startswith("SCAN") and step != "SCAN CONSTANT ROW"] == []
    # Nor whatever one tenant has, unless it is the page itself that is walked.
    assert asked == "a page of operations" or not [step for step in session.steps if step.endswith("(tenant=?)")]
