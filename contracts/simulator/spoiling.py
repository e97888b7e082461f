"""Faults that change the answer. Each takes the right one (None if nothing was executed), gives another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import Any

from contracts.simulator.description import Description, Path, dig
from contracts.simulator.faults import Fault
from contracts.simulator.wire import JSON, Answer, Refused, Request

Spoil = Callable[[Fault, Answer | None, Description, Request], Answer]

_PAGE = b"<!doctype html><title>Test page</title><p>This is not the answer that you asked for.</p>"


def _status(fault: Fault, _: Answer | None, description: Description, request: Request) -> Answer:
    status, body = int(fault.params["status"]), fault.params["body"]
    headers = {str(name): str(value) for name, value in (fault.params["headers"] or {}).items()}
    if body is None:
        answer = description.refuse(Refused(status, "a fault was asked for"), request)
        return replace(answer, headers={**answer.headers, **headers})
    if isinstance(body, str):
        return replace(Answer.of_text(status, body), headers=headers)
    return Answer.of_json(status, body, headers)


def _refusal(status: int) -> Spoil:
    def refused(fault: Fault, _: Answer | None, description: Description, request: Request) -> Answer:
        wait = fault.params.get("retry_after")
        headers = {} if wait is None else {"retry-after": str(wait)}
        return description.refuse(Refused(status, "a fault was asked for", headers), request)

    return refused


def _instead(body: bytes, media: str | None = JSON) -> Spoil:
    def other(fault: Fault, *_: Any) -> Answer:
        return Answer(int(fault.params.get("status", 200)), body, media)

    return other


def _redirect(fault: Fault, *_: Any) -> Answer:
    return Answer(int(fault.params["status"]), headers={"location": str(fault.params["location"])})


def _deep(fault: Fault, *_: Any) -> Answer:
    levels = int(fault.params["levels"])
    return Answer(200, b"[" * levels + b"]" * levels, JSON)


def _huge(fault: Fault, *_: Any) -> Answer:
    return Answer(200, b'"' + b"x" * (int(fault.params["megabytes"]) * 1_000_000) + b'"', JSON)


def _early(fault: Fault, _: Answer | None, description: Description, request: Request) -> Answer:
    return description.refuse(Refused(int(fault.params["status"]), "answered early"), request)


def _content_type(fault: Fault, answer: Answer | None, *_: Any) -> Answer:
    return replace(_right(answer), media=str(fault.params["media"]))


def _bom(_: Fault, answer: Answer | None, *__: Any) -> Answer:
    return replace(_right(answer), body=b"\xef\xbb\xbf" + _right(answer).body)


def _bad_utf8(_: Fault, answer: Answer | None, *__: Any) -> Answer:
    """Inside the first string that is a value; without one, at the end."""
    head, found, tail = _right(answer).body.partition(b':"')
    return replace(_right(answer), body=head + found + b"\xff\xfe" + tail)


def _gzip(_: Fault, answer: Answer | None, *__: Any) -> Answer:
    right = _right(answer)
    return replace(right, headers={**right.headers, "content-encoding": "gzip"})


def _duplicate_keys(_: Fault, answer: Answer | None, description: Description, __: Request) -> Answer:
    right = _right(answer)
    payouts = description.payouts_in(right.value)
    if not payouts:
        return right
    name = json.dumps(description.fields.id[-1]).encode() + b":"
    wrong = json.dumps(other(dig(payouts[0], description.fields.id))).encode()
    return replace(right, body=right.body.replace(name, name + wrong + b"," + name, 1))


def _edited(field: str, pick: Callable[[Any, Fault, Description], Any]) -> Spoil:
    def edit(fault: Fault, answer: Answer | None, description: Description, _: Request) -> Answer:
        right = _right(answer)
        path: Path | None = getattr(description.fields, field)
        if right.media != JSON or path is None:
            return right
        value = deepcopy(right.value)
        for payout in description.payouts_in(value):
            _set(payout, path, pick(dig(payout, path), fault, description))
        return Answer.of_json(right.status, value, right.headers)

    return edit


def _set(payout: Any, path: Path, value: Any) -> None:
    *parents, last = path
    for name in parents:
        payout = payout.setdefault(name, {})
    payout[last] = value


def _any_other(value: Any, _: Fault, __: Description) -> Any:
    return other(value)


def _next_status(value: Any, fault: Fault, description: Description) -> Any:
    if fault.params["to"] is not None:
        return fault.params["to"]
    known = description.statuses
    return known[(known.index(value) + 1) % len(known)] if value in known else known[0]


def other(value: Any) -> Any:
    """A value of the same type and shape that is not this one."""
    if isinstance(value, int | Decimal):
        return value + 1
    if not isinstance(value, str) or not value:
        return "wrong-test"
    places = [at for at, letter in enumerate(value) if letter.isascii() and letter.isalnum()]
    place = places[-1] if places else None
    return value + "x" if place is None else value[:place] + _neighbour(value[place]) + value[place + 1 :]


def _neighbour(letter: str) -> str:
    if letter.isdigit():
        return str(int(letter) % 9 + 1)
    return {"z": "a", "Z": "A"}.get(letter) or chr(ord(letter) + 1)


def _right(answer: Answer | None) -> Answer:
    if answer is None:
        raise ValueError("this fault spoils an answer, so the call has to be executed first")
    return answer


SPOILS: Mapping[str, Spoil] = {
    "status": _status,
    "junk": _instead(b'{"status": <this is no JSON>'),
    "html": _instead(_PAGE, "text/html"),
    "empty": _instead(b"", None),
    "redirect": _redirect,
    "content_type": _content_type,
    "bom": _bom,
    "bad_utf8": _bad_utf8,
    "deep": _deep,
    "huge": _huge,
    "gzip": _gzip,
    "wrong_id": _edited("id", _any_other),
    "wrong_amount": _edited("amount", _any_other),
    "wrong_reference": _edited("reference", _any_other),
    "wrong_status": _edited("status", _next_status),
    "unknown_status": _edited("status", _next_status),
    "null_body": _instead(b"null"),
    "array_body": _instead(b"[1]"),
    "duplicate_keys": _duplicate_keys,
    "unauthorized": _refusal(401),
    "rate_limited": _refusal(429),
    "early_reply": _early,
}
