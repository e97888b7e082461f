"""Answers that no contract documents, whatever they say: what proxies, broken servers and attackers send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

JSON = "application/json"
HTML = b"<html><body>Bad gateway</body></html>"

Headers = tuple[tuple[str, str], ...]


class Wire(NamedTuple):
    """One broken answer. `headers` stand beside the content type."""

    label: str
    body: bytes
    media: str | None = JSON
    headers: Headers = ()


def wire_faults(good: bytes, media: str) -> Iterator[Wire]:
    """`good` is a documented body of that media type."""
    yield from (Wire(label, body, media) for label, body in _bodies(good))
    yield Wire("HTML as html", HTML, "text/html")
    yield Wire("right, but called html", good, "text/html")
    yield Wire("right, but called a download", good, "application/octet-stream")
    yield Wire("right, without a content type", good, None)
    yield Wire("right, in a content type that is none", good, ";;;")
    yield Wire("right, with a charset", good, f"{media}; charset=utf-8")
    yield Wire("said to be gzip", good, media, (("content-encoding", "gzip"),))
    yield Wire("said to be Brotli", good, media, (("content-encoding", "br"),))
    yield from (Wire(f"cut at {place}", good[:place], media) for place in _cuts(good))


def _cuts(good: bytes) -> list[int]:
    return sorted({1, len(good) // 4, len(good) // 2, len(good) - 2, len(good) - 1} - {0, -1, len(good)})


def _bodies(good: bytes) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "blank", b" \n"
    yield "HTML as the documented type", HTML
    yield "text", b"OK"
    yield "null", b"null"
    yield "a word", b'"ok"'
    yield "a number", b"1"
    yield "XML", b"<?xml version='1.0'?><payout/>"
    yield "BOM", b"\xef\xbb\xbf" + good
    yield "UTF-16", good.decode("utf-8", "replace").encode("utf-16")
    yield "bad UTF-8 alone", b"\xff\xfe\xfd"
    yield "latin-1 in a text", good.replace(b'": "', b'": "\xe9', 1)
    yield "bad UTF-8 in the last text", b'": "\xff'.join(good.rsplit(b'": "', 1))
    yield "bad UTF-8 in a field more", good[:-1] + b', "test_field": "\xff\xfe"}'
    yield "half a character", good[:-1] + b', "test_field": "\\ud800"}'
    yield "something after it", good + b"x"
    yield "twice", good + good
    yield "one to a line", good + b"\n" + good
    yield "wrapped in an array", b"[" + good + b"]"
    yield "wrapped in two arrays", b"[[" + good + b"]]"
    yield "every key twice", _doubled(good)
    yield "NaN", b'{"id": NaN, "data": NaN, "payout": NaN}'
    yield "NaN beside it", good[:-1] + b', "test_field": NaN}'
    yield "5,000 deep beside it", b'{"test_field": ' + b"[" * 5_000 + b"]" * 5_000 + b", " + good[1:]
    yield "200,000 deep beside it", b'{"test_field": ' + b"[" * 200_000 + b"]" * 200_000 + b", " + good[1:]
    yield "200,000 open arrays", b"[" * 200_000
    yield "200,000 open objects", b'{"data":' * 200_000
    yield "a number of 5,000 digits beside it", good[:-1] + b', "test_field": ' + b"9" * 5_000 + b"}"
    yield "1 MiB and more", good[:-1] + b', "test_field": "' + b"x" * (1024 * 1024) + b'"}'
    yield "nearly 1 MiB", good[:-1] + b', "test_field": "' + b"x" * (1024 * 1024 - len(good) - 64) + b'"}'
    yield "NUL bytes", b"\x00" * 64


def _doubled(good: bytes) -> bytes:
    """Each key stands twice, first with something else."""
    return good.replace(b', "', b', "test_field": 1, "').replace(b'{"', b'{"id": {"test": 1}, "status": 1, "')
