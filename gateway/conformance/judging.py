"""Whether what came of a case is what had to come of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.cases import Case
from contracts.expect import Expected
from contracts.mapping import Mapping
from gateway.conformance.verdicts import faults
from gateway.conformance.words import in_words
from gateway.upstream import Answered, Contradicted, NotSent, Outcome, Refused
from providers.sdk import Call, Effect, Page, PayoutStatus, RequestStatus

LONGEST = 300  # characters of a message
BRIEF = 60  # characters of a value that is shown


@dataclass(frozen=True, slots=True)
class Observed:
    """What came: the outcome, how many requests left beside logins, and what was logged meanwhile.

    `bare`: how many of those requests carried no token, though one was minted.
    """

    outcome: Outcome[Any]
    sends: int
    effect: Effect
    logged: tuple[str, ...] = ()
    logins: int = 0
    bare: int = 0


def kind_of(outcome: Outcome[Any]) -> str:
    match outcome:
        case Answered():
            return "answered"
        case Refused():
            return "refused"
        case Contradicted():
            return "contradicted"
        case NotSent():
            return "not_sent"
        case _:
            return "unclear"


def shown(outcome: Outcome[Any]) -> str:
    """An outcome in a few words, the same for all that differ in values only."""
    match outcome:
        case Answered():
            return f"answered with {_named(outcome.result)}"
        case Refused():
            return f"refused as {outcome.refusal.kind}"
        case _:
            return f"{kind_of(outcome)} ({outcome.evidence.detail or 'no detail'})"[:LONGEST]


def _named(result: Any) -> str:
    if result is None:
        return "nothing"
    return f"{len(result.items)} items" if isinstance(result, Page) else f"a {type(result).__name__.lower()}"


def faults_of(case: Case, expected: Expected, observed: Observed, secrets: Iterable[str]) -> Iterator[str]:
    """Every way in which an observation departs from what the documents say."""
    kind = kind_of(observed.outcome)
    if kind != expected.kind and kind not in expected.also:
        yield f"{shown(observed.outcome)}, and must be {' or '.join(sorted({expected.kind, *expected.also}))}"
        return
    if kind == expected.kind:
        yield from _details(case, expected, observed)
    yield from _invariants(case, observed, secrets)


def call_faults(case: Case, mapping: Mapping, call: Call[Any]) -> Iterator[str]:
    """What a call says of itself decides how it is sent and repeated."""
    rule = mapping.operations[case.operation]
    if (call.operation, str(call.effect)) != (case.operation, rule["effect"]):
        yield f"the call is {call.effect} {call.operation}, and must be {rule['effect']} {case.operation}"
    if call.success != set(rule["success"]):
        yield f"the call takes {sorted(call.success)} for a success, and the contract {rule['success']}"


def _details(case: Case, expected: Expected, observed: Observed) -> Iterator[str]:
    outcome = observed.outcome
    if observed.sends != expected.sends:
        yield f"sent {observed.sends} times"
    if case.minted and observed.logins != max(1, expected.sends):
        yield f"logged in {observed.logins} times"
    if observed.bare:
        yield "a request went out without the minted token"
    if isinstance(outcome, Answered):
        wrong = difference(in_words(outcome.result), expected.result)
        if wrong:
            yield wrong
    if isinstance(outcome, Refused):
        yield from _refusal(expected, outcome)
    elif expected.problem is not None and outcome.evidence.detail != expected.problem[1]:
        yield f"the message is {outcome.evidence.detail!r}"
    if observed.effect is not Effect.READ:
        yield from faults(observed.effect, outcome, expected)


def _refusal(expected: Expected, outcome: Refused) -> Iterator[str]:
    refusal = outcome.refusal
    if refusal.kind != expected.refusal:
        yield f"refused as {refusal.kind}"
    if refusal.retry_after != expected.retry_after:
        yield f"the waiting time is {refusal.retry_after}"
    if expected.problem is not None:
        read = {"code": refusal.problem.code, "message": refusal.problem.message}
        wrong = _fields_differ(read, dict(zip(read, expected.problem, strict=True)))
        if wrong:
            yield f"the problem's {wrong}"


def _invariants(case: Case, observed: Observed, secrets: Iterable[str]) -> Iterator[str]:
    """What holds of every case, whatever is expected."""
    outcome = observed.outcome
    result = outcome.result if isinstance(outcome, Answered) else None
    for item in getattr(result, "items", [result]):
        status = getattr(item, "status", None)
        if status is not None and not isinstance(status, (PayoutStatus, RequestStatus)):
            yield f"{status!r} is no status"
    message = outcome.evidence.detail
    if message is not None and not (message.isascii() and message.isprintable() and len(message) <= LONGEST):
        yield f"the message is not one short line of plain text: {message!r:.300}"
    text = "\n".join((repr(outcome), _encoded(result), *observed.logged))
    yield from (f"a secret shows: {secret[:9]}…" for secret in secrets if secret in text)


def _encoded(result: Any) -> str:
    try:
        return msgspec.json.encode(result).decode()
    except TypeError:  # a token never lets itself be encoded
        return ""


def difference(read: Any, wanted: Any) -> str:
    """How a reading departs from the oracle's; empty where it does not."""
    if isinstance(read, tuple) and isinstance(wanted, tuple) and len(read) == len(wanted) == 2:
        return difference(read[0], wanted[0]) or difference(read[1], wanted[1])
    if isinstance(read, list) and isinstance(wanted, list) and len(read) == len(wanted):
        return next((wrong for pair in zip(read, wanted, strict=True) if (wrong := difference(*pair))), "")
    if isinstance(read, dict) and isinstance(wanted, dict):
        return _fields_differ(read, wanted)
    same = type(read) is type(wanted) and read == wanted
    return "" if same else f"{_brief(read)} is read, and is {_brief(wanted)}"


def _brief(value: Any) -> str:
    """A value in a few words: what is long is told by its size."""
    if isinstance(value, dict | list):
        return f"{len(value)} {'fields' if isinstance(value, dict) else 'items'}"
    return "nothing" if value is None else f"{value!r:.{BRIEF}}"


def _without_nulls(extensions: Any) -> dict[str, Any]:
    return {key: value for key, value in (extensions or {}).items() if value is not None}


def _fields_differ(read: dict[str, Any], wanted: dict[str, Any]) -> str:
    for name in {**wanted, **read}:
        got, right = read.get(name), wanted.get(name)
        if name == "extensions":  # what is null may be left out
            got, right = _without_nulls(got), _without_nulls(right)
        if got != right or isinstance(got, bool) != isinstance(right, bool):
            inside = _fields_differ(got, right) if isinstance(got, dict) and isinstance(right, dict) else ""
            if inside:
                return f"{name}/{inside}"
            return f"{name} is read as {_brief(got)}, and is {_brief(right)}"
    return ""
