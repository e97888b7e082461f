"""What came of one cell of the fault matrix, compared with what the table wants."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from gateway.operation import Operation, Reason, State
from providers.sdk import Effect
from tests.battery.checker import Told
from tests.battery.fault_table import Cell, Class, Expected, first, outcome

STATUS = {Reason.NOT_FOUND: 404, Reason.CONFLICT: 409, Reason.INVALID: 422}  # of what was rejected


@dataclass
class Meeting:
    """What came of one cell."""

    cell: Cell
    answered: list[State] = field(default_factory=list)
    ended: list[State] = field(default_factory=list)
    executions: int = 0
    wrong: list[str] = field(default_factory=list)

    def compare(self, when: str, operation: Operation, expected: Expected) -> None:
        found = Expected(operation.state, operation.reason, operation.attempts)
        if expected.sends == 0:  # any number of times, in vain
            found = replace(found, sends=0)
        if expected != found:
            self.wrong.append(f"{when}: expected {_shown(expected)}, found {_shown(found)} ({operation.detail})")

    def check_answer(self, answer: httpx.Response) -> list[Told]:
        """Each operation's state, reason and status, as its caller is told them."""
        body = answer.json()
        told = []
        for part in body["data"] if self.cell.write.bulk else [body]:
            if part.get("operation") is None:
                self.wrong.append(f"no operation: {answer.status_code} {answer.text[:200]}")
                continue
            # In a bulk answer each id has a status of its own, where it has a problem.
            problem = part["error"] if self.cell.write.bulk else None
            self._check_part(part["operation"], problem["status"] if problem else answer.status_code)
            told.append(Told(part["operation"]["id"], self.answered[-1]))
        return told

    def _check_part(self, operation: dict[str, Any], status: int) -> None:
        expected, reason = first(self.cell), operation["reason"]
        found = Expected(State(operation["state"]), Reason(reason) if reason else None)
        self.answered.append(found.state)
        if found != expected:
            self.wrong.append(f"answered {_shown(found)}, expected {_shown(expected)} ({operation['detail']})")
        if status != self._status(expected):
            self.wrong.append(f"answered with {status}, expected {self._status(expected)}")
        # Found at its target after an unclear answer: perhaps someone else did it.
        unsure = outcome(self.cell) is Class.UNCLEAR and self.cell.write.effect is Effect.GUARDED
        if found.state is State.SUCCEEDED and operation["attribution"] != ("unverified" if unsure else None):
            self.wrong.append(f"attribution is {operation['attribution']}")

    def _status(self, expected: Expected) -> int:
        if expected.state is State.REJECTED and expected.reason is not None:
            return STATUS[expected.reason]
        if self.cell.write.bulk:
            return 200
        done = 201 if self.cell.write.action == "create" else 200
        return done if expected.state is State.SUCCEEDED else 202


def _shown(at: Expected) -> str:
    return f"{at.state} {at.reason} after {at.sends}"
