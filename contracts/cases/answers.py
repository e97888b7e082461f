"""Readable answers: the documented ones, every single change of them, and other spellings of the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

from contracts.cases.amounts import amounts
from contracts.cases.asking import NoCall, intents
from contracts.cases.base import Base
from contracts.cases.case import Case, Family, Intent
from contracts.cases.changes import WRONG, WRONG_IN_SHORT, changes, replaced
from contracts.cases.making import Caller, Headers
from contracts.cases.spelling import Number, encode
from contracts.reading import Unreadable, load_json

MORE_HEADERS: Headers = (
    ("x-request-id", "test-request-1"),
    ("set-cookie", "test=1"),
    ("date", "Thu, 19 Nov 2026 10:00:00 GMT"),
)


NEW_WORDS = ("test_new_word", "TEST NEW WORD", "unknown")


def examples(caller: Caller, base: Base) -> Iterator[Case]:
    yield caller.case(Family.EXAMPLES, base.label, base.raw, status=base.status, media=base.media)


def changed(caller: Caller, base: Base) -> Iterator[Case]:
    """Variants, which the contract allows, and mutants, which it does not."""
    schema = caller.operation.responses[str(base.status)].content[base.media or ""].schema
    rule = caller.mapping.operations[caller.operation.id]
    in_short = base.status not in rule["success"] or caller.mapping.reads_nothing(caller.operation.id)
    yield _variant_or_mutant(caller, base, "everything", base.body)
    for change in changes(caller.document, schema, base.body, WRONG_IN_SHORT if in_short else WRONG):
        yield _variant_or_mutant(caller, base, change.label, change.body)


def amounts_changed(caller: Caller, base: Base) -> Iterator[Case]:
    """Amounts, asked for as they come back where a caller could ask so, and as the base has them."""
    own = caller.mapping.subject.get("currency")
    for amount in amounts(caller.mapping, caller.operation.id, base.body):
        intent = _asking_so(caller, amount.body, amount.currency)
        if intent is not None:
            yield _variant_or_mutant(caller, base, amount.label, amount.body, intent, amount.currency)
        # Settings of one currency cannot be asked of a connection in another.
        if intent != caller.intent and ("settings" not in caller.intent.arguments or amount.currency == own):
            label = f"{amount.label}, not as it was asked"
            yield _variant_or_mutant(caller, base, label, amount.body, caller.intent, amount.currency)


def new_words(caller: Caller, base: Base) -> Iterator[Case]:
    """States that no document has yet: the enums of answers are open, so that these are answers like any other."""
    rule = caller.mapping.operations[caller.operation.id]
    record = "payout_request" if caller.intent.capability == "list_requests" else "payout"
    place = rule.get("payout_at", rule.get("items_at"))
    if place is None or caller.mapping.reads_nothing(caller.operation.id):
        return
    first = (0,) if "items_at" in rule else ()
    parts = (place.split("/")[1:], first, caller.mapping.raw[record]["status"].split("/")[1:])
    for word in NEW_WORDS:
        body = encode(replaced(base.body, tuple(chain(*parts)), word))
        label = f"{base.label}: the status is {word}"
        yield replace(caller.case(Family.VARIANTS, label, body, status=base.status, media=base.media), valid=True)


def _asking_so(caller: Caller, body: Any, currency: str | None) -> Intent | None:
    try:
        asked = list(intents(caller.document, caller.mapping, caller.operation, load_json(encode(body)), currency))
    except (Unreadable, NoCall):
        return None
    return next((each for each in asked if each.capability == caller.intent.capability), None)


def _variant_or_mutant(
    caller: Caller, base: Base, label: str, body: Any, intent: Intent | None = None, currency: str | None = None
) -> Case:
    label = f"{base.label}: {label}"
    args: dict[str, Any] = {"status": base.status, "media": base.media, "intent": intent, "currency": currency}
    case = caller.case(Family.VARIANTS, label, encode(body), **args)
    return case if case.valid else caller.case(Family.MUTANTS, label, case.body, **args)


def among_others(caller: Caller, base: Base) -> Iterator[Case]:
    """A look-up that finds other records, too."""
    yield caller.case(
        Family.VARIANTS,
        f"{base.label}{', everything' if base.full else ''}: among others",
        base.raw,
        status=base.status,
        media=base.media,
    )


def linked(caller: Caller, base: Base) -> Iterator[Case]:
    """Where a list goes on by a header."""
    following = caller.mapping.operations[caller.operation.id].get("next_page", {})
    if following.get("kind") != "link_header":
        return
    for label, header in _links(following["query"].removeprefix("query "), following["rel"]):
        headers = ((following["header"].lower(), header),)
        yield caller.case(
            Family.VARIANTS, f"link: {label}", base.raw, status=base.status, media=base.media, headers=headers
        )


def _links(query: str, rel: str) -> Iterator[tuple[str, str]]:
    following = f'<https://provider.example.test/list?{query}=3>; rel="{rel}"'
    yield "the next page", following
    yield (
        "the next among others",
        f'<https://h.test/?{query}=1>; rel="prev", {following}, <https://h.test/?{query}=9>; rel="last"',
    )
    yield "after another parameter", f"<https://h.test/list?status=pending&{query}=12>; rel={rel}"
    yield "another parameter alone", f'<https://h.test/list?per_page=5>; rel="{rel}"'
    yield "the last page", f'<https://h.test/?{query}=9>; rel="last"'
    yield "page zero", f'<https://h.test/?{query}=0>; rel="{rel}"'
    yield "a page before the first", f'<https://h.test/?{query}=-1>; rel="{rel}"'
    yield "a page that is no number", f'<https://h.test/?{query}=x>; rel="{rel}"'
    yield "nonsense", "nonsense"
    yield "empty", ""
    yield "very long", f"<?{query}=1" * 14_000


def respelt(caller: Caller, base: Base) -> Iterator[Case]:
    """The same answer in other words of JSON and of HTTP: nothing of it may be read otherwise."""
    args: dict[str, Any] = {"status": base.status, "media": base.media}
    for label, body in _spellings(base.body) if base.is_json else ():
        yield caller.case(Family.METAMORPHIC, f"{base.label}: {label}", body, **args)
    more = caller.case(Family.METAMORPHIC, f"{base.label}: with more headers", base.raw, headers=MORE_HEADERS, **args)
    yield more
    capitals = tuple((name.upper(), value) for name, value in more.headers)
    yield replace(more, label=f"{base.label}: with headers in capitals", headers=capitals)


def _spellings(body: Any) -> Iterator[tuple[str, bytes]]:
    yield "keys in reverse", encode(_reversed(body))
    yield "keys in order", encode(body, sort_keys=True)
    yield "on many lines", encode(body, indent="\t")
    yield "without spaces", encode(body, separators=(",", ":"))
    yield "with blanks around it", b"\r\n\t " + encode(body) + b"\r\n\t "
    yield "every character escaped", _escaped(body).encode()
    yield "a field more in every object", encode(_with_more(body))
    yield "whole numbers with a point", encode(_pointed(body))


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reversed(value[name]) for name in reversed(value)}
    return [_reversed(each) for each in value] if isinstance(value, list) else value


def _escaped(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_escaped(name)}:{_escaped(child)}" for name, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_escaped, value)) + "]"
    return (
        f'"{"".join(f"{chr(92)}u{ord(each):04x}" for each in value)}"' if isinstance(value, str) else json.dumps(value)
    )


def _with_more(value: Any) -> Any:
    if isinstance(value, dict):
        more = {"test_field_of_nobody": {"id": "test", "status": "test"}, "": None, "Status": "test", "ID": 1}
        return {**more, **{name: _with_more(child) for name, child in value.items()}}
    return [_with_more(each) for each in value] if isinstance(value, list) else value


def _pointed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _pointed(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_pointed(each) for each in value]
    return Number(f"{value}.0") if isinstance(value, int) and not isinstance(value, bool) else value
