"""What a plugin makes of an ask before anything is sent: a call that is true of itself, or a refusal in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.carrying import Terms, Unfit, Unoffered, Want, wanted
from contracts.cases import Intent
from contracts.intents import Ask
from providers.sdk import Call, FieldRefused, NotOffered, Provider


class Wrong(Exception):
    """What a plugin did with an ask is not what the documents say."""


def judged(terms: Terms, ask: Ask) -> Want | Unfit | Unoffered:
    """What the documents say of an ask."""
    try:
        return wanted(terms, ask)
    except (Unfit, Unoffered) as refusal:
        return refusal


def built(provider: Provider, intent: Intent, right: Want | Unfit | Unoffered) -> Call[Any] | None:
    """The call; None where it was refused, and rightly. Raises Wrong."""
    try:
        call = intent.call(provider)
    except FieldRefused as refused:
        if not isinstance(right, Unfit) or not any(_names(refused.pointer, each) for each in right.fields):
            raise Wrong(f"refused at {refused.pointer}; {_said(right)}") from None
        if not isinstance(refused.message, str) or not refused.message:
            raise Wrong(f"refused at {refused.pointer} without a word about what would be accepted") from None
        return None
    except NotOffered as refused:
        if not isinstance(right, Unoffered) or refused.capability != intent.capability:
            raise Wrong(f"{refused.capability} is not offered; {_said(right)}") from None
        return None
    if not isinstance(right, Want):
        raise Wrong(f"it becomes a request; {_said(right)}")
    return call


def _said(right: Want | Unfit | Unoffered) -> str:
    match right:
        case Want():
            return f"{right.operation.id} carries it: {right.places}"
        case Unfit():
            return f"no documented request can carry {right}"
        case _:
            return "the documents offer no such call"


def _names(pointer: str, field: str) -> bool:
    return not field or (pointer + "/").startswith(field + "/") or (field + "/").startswith(pointer + "/")


def declared(call: Call[Any], want: Want) -> Iterator[str]:
    """What the call says of itself, and must be true of the request."""
    if call.operation != want.operation.id:
        yield f"it calls itself {call.operation}, and is {want.operation.id}"
    if call.effect != want.effect:
        yield f"its effect is declared {call.effect}, and is {want.effect}"
    if call.success != want.success:
        yield f"it takes {sorted(call.success)} for a success; documented: {sorted(want.success)}"
    if set(call.carried) != want.carried:
        yield f"it says that it carries {sorted(call.carried)}, and carries {sorted(want.carried)}"
    if call.effect != "read" and call.reference != want.reference:
        yield f"its reference is {call.reference!r}, and {want.reference!r} was sent"
