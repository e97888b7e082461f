"""Answers that nobody documents, and no answers at all."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.cases.base import Base
from contracts.cases.case import CANARY, Case, Family
from contracts.cases.changes import replaced
from contracts.cases.making import Caller
from contracts.cases.spelling import encode
from contracts.cases.transport import FAULTS
from contracts.cases.wire import HTML, JSON, wire_faults
from contracts.reading import at, pointers

UNDOCUMENTED = (
    200, 201, 202, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 410, 413, 418,
    422, 425, 429, 451, 500, 501, 502, 503, 504, 511, 520, 599,
)  # fmt: skip
ELSEWHERE = "https://elsewhere.example.test/"
SMALL = 100_000  # bytes: of the huge answers, one for each call is enough

WAITING_TIMES = ("30", "0", "999999", "1000000", "", "-1", "1.5", "1e3", "soon", "Wed, 21 Oct 2026 07:28:00 GMT")


def wire(caller: Caller, base: Base) -> Iterator[Case]:
    succeeds = base is caller.base
    for each in wire_faults(base.raw, base.media or JSON):
        if succeeds or len(each.body) < SMALL:
            label = each.label if succeeds else f"{base.label}: {each.label}"
            yield caller.case(Family.WIRE, label, each.body, status=base.status, media=each.media, headers=each.headers)


def undocumented(caller: Caller) -> Iterator[Case]:
    """Each status that the contract does not list for this call, with a body that would be right elsewhere."""
    bodies = (("its own body", caller.base.raw, caller.base.media), ("HTML", HTML, "text/html"), ("no body", b"", None))
    for status in UNDOCUMENTED:
        if str(status) not in caller.operation.responses:
            headers = (("location", ELSEWHERE),) if 300 <= status < 400 else ()
            for label, body, media in bodies:
                yield caller.case(Family.UNDOCUMENTED, label, body, status=status, media=media, headers=headers)


def transport(caller: Caller) -> Iterator[Case]:
    for fault in FAULTS:
        yield caller.case(Family.TRANSPORT, fault, caller.base.raw, fault=fault)


def waiting(caller: Caller, base: Base) -> Iterator[Case]:
    """Every way to say how long to wait, beside a documented error."""
    for text in WAITING_TIMES:
        yield caller.case(
            Family.ERRORS,
            f"{base.label}: retry-after {text!r}",
            base.raw,
            status=base.status,
            media=base.media,
            headers=(("retry-after", text),),
        )


def repeating(caller: Caller, base: Base, tokens: bool) -> Iterator[Case]:
    """An error that repeats our credentials, as careless servers do."""
    for name, secret in {**caller.mapping.secrets, **({"token": CANARY} if tokens else {})}.items():
        yield caller.case(
            Family.ERRORS,
            f"{base.label}: repeats our {name}",
            _saying(caller, base, f"No such key: {secret}"),
            status=base.status,
            media=base.media,
            minted=name == "token",
        )


def _saying(caller: Caller, base: Base, text: str) -> bytes:
    """The error body with another message."""
    if not base.is_json or not isinstance(base.body, dict):
        return encode(text) if base.is_json else text.encode()
    for pointer in filter(None, pointers(caller.mapping.raw["errors"]["message_at"])):
        if at(base.body, pointer) is not None:
            return encode(replaced(base.body, tuple(pointer.split("/")[1:]), text))
    return base.raw


def minted(caller: Caller, base: Base) -> Iterator[Case]:
    """With a token that was exchanged for a key pair: refused at the door, it is exchanged anew, once."""
    yield caller.case(
        Family.ERRORS, f"{base.label}: with a minted token", base.raw, status=base.status, media=base.media, minted=True
    )
