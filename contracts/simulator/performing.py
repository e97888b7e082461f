"""What the provider itself does with a call: checks who asks and what, does it, answers by the contract."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from contracts.document import Document, Operation
from contracts.simulator.description import Call, Description
from contracts.simulator.log import Entry
from contracts.simulator.reading import Invalid, read
from contracts.simulator.state import State
from contracts.simulator.wire import Answer, Refused, Request

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Work:
    """A request whose operation is known."""

    operation: Operation
    in_path: dict[str, str]
    request: Request
    entry: Entry


class Performer:
    """Answers calls of one provider against a state. Nothing in here waits, so a call is one step."""

    def __init__(self, description: Description, document: Document) -> None:
        self._description = description
        self._document = document

    def perform(self, work: Work, state: State) -> Answer:
        """The contract's answer, or a clear 500 where the simulator itself departed from the contract."""
        try:
            answer = self._answer(work, state)
        except Refused as refused:
            answer = self._description.refuse(refused, work.request)
        problems = self._problems(work.operation, answer)
        if not problems:
            return answer
        work.entry.violation = "; ".join(problems)
        _logger.error("the simulator departed from its contract: %s", work.entry.violation)
        return Answer.of_text(500, f"fault of the simulator itself: {work.entry.violation}")

    def _answer(self, work: Work, state: State) -> Answer:
        operation = work.operation
        if operation.secured:
            self._description.authenticate(work.request, operation, state)
            work.entry.authenticated = True
        try:
            values, body = read(self._document, operation, work.in_path, work.request)
        except Invalid as invalid:
            raise Refused(self._refusal_status(operation, invalid), invalid.message) from None
        return self._execute(Call(operation, work.request, state, values, body), work.entry)

    def _execute(self, call: Call, entry: Entry) -> Answer:
        before = call.state.changes
        try:
            result = self._description.handlers[call.operation.id](call)
            entry.executed = not call.operation.is_read and not call.operation.login
        finally:
            entry.changed = call.state.changes != before
            entry.name(call.touched, self._description.fields)
        return result if isinstance(result, Answer) else Answer.of_json(200, result)

    def _refusal_status(self, operation: Operation, invalid: Invalid) -> int:
        """A path that can name nothing is not found. Where the contract lists no refusal of bad input for
        this call, the nearest is taken: another of its own, or else what the provider's other calls list."""
        wanted = 404 if invalid.where == "path" else self._description.bad_request
        listed = [status for status in (wanted, 422, 400, 404) if operation.documents(status)]
        return listed[0] if listed else wanted

    def _problems(self, operation: Operation, answer: Answer) -> list[str]:
        if answer.status == self._description.bad_request and not operation.documents(answer.status):
            return []
        return self._document.response_faults(operation, answer.status, answer.media or "", answer.parsed())
