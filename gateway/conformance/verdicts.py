"""What may become of a write after one send, from the design's table: first try, and after an earlier unsure one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.expect import Expected
from gateway.engine import machine
from gateway.operation import Operation, State, Step
from gateway.upstream import Outcome
from providers.sdk import Effect

_OPEN = {State.UNKNOWN, State.NEEDS_REVIEW}


def faults(effect: Effect, outcome: Outcome[Any], expected: Expected) -> Iterator[str]:
    """Every way in which the state machine draws the wrong conclusion from an outcome."""
    first = machine.after_send(_operation(effect, 0), outcome)
    allowed = _allowed(effect, expected)
    if first.state not in allowed:
        yield f"the operation becomes {first.state}, and may become {' or '.join(sorted(allowed))}"
    if effect is Effect.CREATE and first.state in _OPEN and first.step is Step.SEND:
        yield "a create that may have been executed is sent again"
    if expected.refusal == "rate_limited" and first.delay < (expected.retry_after or 0):
        yield f"it goes on after {first.delay} s, and was told to wait for {expected.retry_after} s"
    again = machine.after_send(_operation(effect, 1), outcome)
    if again.state in (State.REJECTED, State.ACCEPTED, State.EXPIRED, State.CANCELLED):
        yield f"after an unsure try the operation becomes {again.state}"


def _allowed(effect: Effect, expected: Expected) -> set[State]:
    creating = effect is Effect.CREATE
    match expected.kind, expected.refusal:
        case "answered", _:
            return {State.UNKNOWN} if effect is Effect.GUARDED else {State.SUCCEEDED}
        case "contradicted", _:
            return {State.NEEDS_REVIEW}
        case "not_sent", _:
            return {State.ACCEPTED}
        case "refused", "credentials" | "forbidden":
            return {State.ACCEPTED}
        case "refused", "rate_limited":
            return {State.UNKNOWN} if creating else {State.ACCEPTED}
        case "refused", _:
            return {State.UNKNOWN} if creating else {State.REJECTED}
        case _:
            return _OPEN


def _operation(effect: Effect, unsure: int) -> Operation:
    return Operation(
        id="op_test", tenant="test", maker="test", key="test", fingerprint="test", action="create", kind="payout",
        connection="test", effect=effect, request="{}", state=State.SENDING, unsure=unsure, attempts=unsure + 1,
        sent_at=0, created_at=0, updated_at=0,
    )  # fmt: skip
