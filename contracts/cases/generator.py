"""From one contract and its mapping to cases: every documented operation, status and media type, in every family."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from contracts.cases.asking import intents
from contracts.cases.case import Case, Family
from contracts.document import Document, Operation
from contracts.mapping import Mapping


def generate(document: Document, mapping: Mapping) -> Iterator[Case]:
    """All cases, without one that only repeats another's answer to the same call."""
    seen = set()
    for case in _all(document, mapping):
        key = (
            case.operation,
            case.capability,
            case.status,
            case.body,
            case.headers,
            case.fault,
            case.currency,
            case.minted,
        )
        if key not in seen:
            seen.add(key)
            yield case


def _all(document: Document, mapping: Mapping) -> Iterator[Case]:
    for operation in document.operations.values():
        for status, response in operation.responses.items():
            for media, content in response.content.items():
                for name, body in content.examples.items():
                    yield from _examples(document, mapping, operation, int(status), media, name, body)


def _examples(
    document: Document, mapping: Mapping, operation: Operation, status: int, media: str, name: str, body: Any
) -> Iterator[Case]:
    raw = body.encode() if isinstance(body, str) and "json" not in media else json.dumps(body).encode()
    if status >= 300:
        success = next(iter(operation.responses["200"].content.values()))
        body = next(iter(success.examples.values()), None)
    for intent in intents(document, mapping, operation, body):
        yield Case(
            family=Family.EXAMPLES,
            operation=operation.id,
            capability=intent.capability,
            status=status,
            media=media,
            label=name,
            body=raw,
            headers=(("content-type", media),),
            valid=True,
            fault=None,
            intent=intent,
            currency=mapping.subject.get("currency"),
        )
