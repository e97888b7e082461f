"""Reading hostile replies: typed, and with one error for whatever is wrong."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from providers.sdk.call import Reply
from providers.sdk.errors import Malformed

T = TypeVar("T")

# The default of a raw field that a provider may leave out; a union with None is not possible for raw fields.
ABSENT = msgspec.Raw(b"null")

# As far as 18 digits: a hostile reply must not become a bignum.
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]{0,17}))(?:\.0{1,6})?", re.ASCII)
_STRUCTURED = re.compile(r"[{\[<]")
_PRINTABLE = re.compile(r"[^\x20-\x7e]+")


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(reply: Reply, kind: type[T]) -> T:
    """The reply's JSON body as `kind`. Raises Malformed, naming the place and never the value."""
    try:
        value: T = _decoder(cast(Any, kind)).decode(reply.body)
    except msgspec.ValidationError as error:
        raise Malformed(f"a reply does not fit the contract: {error}") from None
    # RecursionError and UnicodeDecodeError come from outside msgspec's own tree: nesting of 100,000
    # levels in a field that we ignore, invalid UTF-8 in one that we read.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("a reply is not readable JSON") from None
    return value


def number_text(raw: msgspec.Raw) -> str:
    """The exact text of a JSON number (or of a string that holds one), for Money."""
    text = bytes(raw).decode("ascii", "replace").strip()
    return text[1:-1] if len(text) > 1 and text[0] == '"' == text[-1] else text


def whole(raw: msgspec.Raw) -> int:
    """A JSON integer, also when it is spelt 42.0, as JSON Schema allows. Raises Malformed."""
    match = _WHOLE.fullmatch(bytes(raw).decode("ascii", "replace").strip())
    if match is None:
        raise Malformed("a whole number was expected")
    return int(match[1])


def optional_whole(raw: msgspec.Raw) -> int | None:
    return None if bytes(raw) == b"null" else whole(raw)


def plain_text(value: object, limit: int = 200) -> str | None:
    """A provider's message made safe to show: printable ASCII, one line, bounded.

    It ends where something structured begins: whole records stand in some messages, secrets included.
    """
    if not isinstance(value, str):
        return None
    return _PRINTABLE.sub(" ", _STRUCTURED.split(value, 1)[0]).strip()[:limit] or None


def bare_text(reply: Reply) -> str | None:
    """An error that came as plain text or as one JSON string. What is structured may hold secrets: nothing of it."""
    text = reply.body.decode("ascii", "replace").strip()
    if text.startswith(("{", "[", "<")):
        return None
    try:
        return plain_text(decode(reply, str))
    except Malformed:
        return plain_text(text.strip('"'))


def flag_text(value: object) -> str | None:
    """A provider's error code, if it looks like one."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", value) else None
