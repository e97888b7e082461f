"""Documented bodies, broken at random: as bytes, and as JSON. The same random gives the same body."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

CANARY = "test-canary-fuzz-0001"  # a value that no message may repeat

_BYTES = b'{}[]",:\\\x00\xff\xfe\xc3\xed\xa0\x80\xef\xbb\xbf0123456789.eE+-nulltrefasNI \n\t/'
_WILD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, "", " ", "0", "1", "-1",
    "1.5", "1e3", "10.00", "NaN", "null", "true", CANARY, f"{CANARY}\n", "x" * 300, "\x00", "\u202e", "😀", "é", "a\nb",
    [], {}, [None], [[]], {"": None}, [CANARY], {CANARY: CANARY}, {"id": 1}, "pending", "PENDING", "completed",
    "2026-11-20T00:00:00Z", "2026-02-30", "EUR", "eur", "XXX",
)  # fmt: skip
_SPELLINGS = (b"NaN", b"Infinity", b"-0", b"00", b"1e400", b"1.0", b"1e2", b"9" * 400, b'"\\ud800"', b"tru", b"{", b'"')


def fuzzed(body: Any, random: Random) -> bytes:
    """A documented body with one to four faults. `body` is JSON, or text as it is."""
    if isinstance(body, str) or random.random() < 0.3:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return _broken(raw, random)
    changed = copy.deepcopy(body)
    for _ in range(random.randint(1, 4)):
        changed = _changed(changed, random)
    raw = json.dumps(changed, ensure_ascii=random.random() < 0.5).encode()
    return _misspelt(raw, random) if random.random() < 0.2 else raw


def _broken(raw: bytes, random: Random) -> bytes:
    for _ in range(random.randint(1, 4)):
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


def _changed(body: Any, random: Random) -> Any:
    """One node left out, replaced, wrapped, renamed or doubled."""
    nodes = list(_nodes(body))
    if not nodes:
        return random.choice(_WILD)
    holder, key = random.choice(nodes)
    match random.randrange(6):
        case 0:
            del holder[key]
        case 1:
            holder[key] = random.choice(([holder[key]], {"data": holder[key]}, str(holder[key])))
        case 2 if isinstance(holder, dict):
            holder[random.choice((key.upper(), key + "_", "", "id", "status"))] = holder[key]
        case 3:
            holder[key] = copy.deepcopy(random.choice(nodes)[0])
        case _:
            holder[key] = random.choice(_WILD)
    return body


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a body, as the object or list that holds it and its key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _nodes(value[key])
