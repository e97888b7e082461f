"""Documented bodies, broken at random: as bytes, and as JSON. The same random gives the same body."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

WILD_TEXT = "test-wild-0001"  # no message may repeat a value of a reply, and so not this one
SECRET = "test-canary-0001"  # stands in every field that the contract flags as secret  # noqa: S105

_BYTES = b'{}[]",:\\\x00\xff\xfe\xc3\xed\xa0\x80\xef\xbb\xbf0123456789.eE+-nulltrefasNI \n\t/'
_WILD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, "", " ", "0", "1", "-1",
    "1.5", "1e3", "10.00", "NaN", "null", "true", WILD_TEXT, f"{WILD_TEXT}\n", "x" * 300, "\x00", "\u202e", "😀", "é",
    "a\nb", [], {}, [None], [[]], {"": None}, [WILD_TEXT], {WILD_TEXT: WILD_TEXT}, {"id": 1}, "pending", "PENDING",
    "completed",     "2026-11-20T00:00:00Z", "2026-02-30", "EUR", "eur", "XXX",
)  # fmt: skip
_FAULTS = (1, 1, 1, 2, 3, 4)
_SPELLINGS = (b"NaN", b"Infinity", b"-0", b"00", b"1e400", b"1.0", b"1e2", b"9" * 400, b'"\\ud800"', b"tru", b"{", b'"')


class Fuzzed(NamedTuple):
    """`guarded`: the secrets of the body are canaries and stand where they stood, so that none may show."""

    raw: bytes
    guarded: bool


def fuzzed(body: Any, secrets: frozenset[str], random: Random) -> Fuzzed:
    """A documented body with some faults, mostly one. `body` is JSON, or text as it is; `secrets` names fields."""
    if isinstance(body, str) or random.random() < 0.3:
        return Fuzzed(_broken(body.encode() if isinstance(body, str) else json.dumps(body).encode(), random), False)
    guarded = random.random() < 0.5
    changed = _planted(body, secrets) if guarded else copy.deepcopy(body)
    for _ in range(random.choice(_FAULTS)):
        changed = _changed(changed, random, 2 if guarded else 6)
    raw = json.dumps(changed, ensure_ascii=random.random() < 0.5).encode()
    return Fuzzed(_misspelt(raw, random) if random.random() < 0.2 else raw, guarded)


def _planted(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_planted(each, secrets) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: SECRET if name in secrets else _planted(each, secrets) for name, each in value.items()}


def _broken(raw: bytes, random: Random) -> bytes:
    for _ in range(random.choice(_FAULTS)):
        raw = random.choice(_BREAKS)(raw, random)
    return raw


def _spans(raw: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(raw) + 1)
    return start, min(len(raw), start + random.choice((0, 1, 1, 2, 8, 64)))


def _overwritten(raw: bytes, random: Random) -> bytes:
    start, end = _spans(raw, random)
    return raw[:start] + bytes(random.choices(_BYTES, k=end - start)) + raw[end:]


def _cut(raw: bytes, random: Random) -> bytes:
    start, end = _spans(raw, random)
    return raw[:start] + raw[end:]


def _inserted(raw: bytes, random: Random) -> bytes:
    start, _ = _spans(raw, random)
    return raw[:start] + bytes(random.choices(_BYTES, k=random.randint(1, 8))) + raw[start:]


def _repeated(raw: bytes, random: Random) -> bytes:
    start, end = _spans(raw, random)
    return raw[:end] + raw[start:end] * random.choice((1, 2, 50)) + raw[end:]


def _truncated(raw: bytes, random: Random) -> bytes:
    return raw[: random.randrange(len(raw) + 1)]


def _bits(raw: bytes, random: Random) -> bytes:
    if not raw:
        return raw
    place = random.randrange(len(raw))
    return raw[:place] + bytes([raw[place] ^ 1 << random.randrange(8)]) + raw[place + 1 :]


_BREAKS: tuple[Callable[[bytes, Random], bytes], ...] = (_overwritten, _cut, _inserted, _repeated, _truncated, _bits)


def _misspelt(raw: bytes, random: Random) -> bytes:
    """One value in a spelling that JSON writers do not make."""
    places = [place for place in range(len(raw)) if raw[place : place + 2] == b": "]
    if not places:
        return raw
    start = random.choice(places) + 2
    end = next((place for place in range(start, len(raw)) if raw[place] in b",}"), len(raw))
    return raw[:start] + random.choice(_SPELLINGS) + raw[end:]


def _changed(body: Any, random: Random, ways: int) -> Any:
    """One node left out or replaced; or, beyond two ways, wrapped, renamed, doubled elsewhere or turned into text."""
    nodes = list(_nodes(body))
    if not nodes:
        return random.choice(_WILD)
    holder, key = random.choice(nodes)
    match random.randrange(ways):
        case 0:
            del holder[key]
        case 2:
            holder[key] = random.choice(([holder[key]], {"data": holder[key]}, str(holder[key])))
        case 3 if isinstance(holder, dict):
            holder[random.choice((key.upper(), key + "_", "", "id", "status"))] = holder[key]
        case 4:
            holder[key] = copy.deepcopy(random.choice(nodes)[0])
        case _:
            holder[key] = copy.deepcopy(random.choice(_WILD))
    return body


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a body, as the object or list that holds it and its key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _nodes(value[key])
