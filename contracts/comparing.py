"""What a request says, place by place, beside what it should say: {"query limit": ["50"], "body /a/b": True}."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.closed_world import Sent, grouped, named_headers
from contracts.document import Document
from contracts.reading import Spelt

_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)


class Maybe(NamedTuple):
    """Values that may be left out: the gateway filters by itself what a provider cannot filter exactly."""

    values: Sequence[str]


def shown(document: Document, sent: Sent) -> dict[str, Any]:
    """What a request says, place by place; the numbers of its body keep their spelling."""
    match = document.match(sent.method, sent.path)
    found: dict[str, Any] = {f"path {name}": value for name, value in (match[1] if match else {}).items()}
    found |= {f"query {name}": values for name, values in grouped(sent.query).items()}
    found |= {f"header {name}": values for name, values in grouped(named_headers(document, sent)).items()}
    body = json.loads(sent.body, parse_float=Spelt) if sent.body else {}
    return found | {f"body {place}": value for place, value in _leaves(body, "")}


def differences(places: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[str]:
    """What a request leaves out, adds or says otherwise than `places`."""
    for place, value in places.items():
        if place not in said:
            if not isinstance(value, Maybe):
                yield f"{place} is missing: {value}"
        elif not _same(value, said[place]):
            yield f"{place} is {said[place]!r}, not {value!r}"
    for place in said.keys() - places.keys():
        yield f"{place} was not asked for: {said[place]!r}"


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield place, value
        return
    for key, child in value.items():
        yield from _leaves(child, f"{place}/{key}")


def _same(value: Any, said: Any) -> bool:
    if isinstance(value, Maybe):
        value = value.values
    if isinstance(value, list):
        return isinstance(said, list) and sorted(value) == sorted(map(str, said))
    if isinstance(value, Decimal):
        return not isinstance(said, bool) and _PLAIN.fullmatch(str(said)) is not None and Decimal(str(said)) == value
    if isinstance(value, str) and isinstance(said, int) and not isinstance(said, bool):
        return str(said) == value  # an id that is a number in a body
    return type(value) is type(said) and bool(value == said)
