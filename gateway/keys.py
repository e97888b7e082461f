"""API keys. Any key whose hex SHA-256 is configured works; the ones made here carry a prefix and a checksum."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

PREFIX = "pgk_"
LENGTH = 43  # characters of 256 random bits, before the checksum
_ALPHABET = string.digits + string.ascii_letters
SCOPES = (
    "payouts:read",
    "payouts:write",
    "payouts:approve",
    "settings:read",
    "settings:write",
    "admin",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling: one configured key, or one subject of an issuer's tokens."""

    name: str
    tenant: str
    scopes: frozenset[str]
    connections: frozenset[str] | None = None  # None: all
    tags: frozenset[str] = frozenset()

    def may_use(self, connection: str) -> bool:
        return self.connections is None or connection in self.connections


@dataclass(frozen=True, slots=True)
class Entry:
    """One hash of the config. `expires`: the first UTC day on which its key works no more."""

    sha256: str
    caller: Caller
    expires: date | None = None


def new_key() -> str:
    """A key of 256 random bits; its last six characters let a scanner tell a real key from noise."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
    return f"{PREFIX}{body}{_checksum(body)}"


def is_whole(key: str) -> bool:
    """Whether it is a key as `new_key` makes them, with nothing lost or mistyped."""
    body, checksum = key.removeprefix(PREFIX)[:LENGTH], key[len(PREFIX) + LENGTH :]
    return key.startswith(PREFIX) and len(body) == LENGTH and checksum == _checksum(body)


def _checksum(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        value, place = divmod(value, len(_ALPHABET))
        digits = _ALPHABET[place] + digits
    return digits


def hashed(key: str) -> str:
    """The hex SHA-256 that the config names."""
    return hashlib.sha256(key.encode()).hexdigest()


def today() -> date:
    return datetime.now(UTC).date()


class KeyRing:
    """Looks a presented key up by its hash, so that time tells nothing about the keys that exist."""

    def __init__(self, entries: Iterable[Entry], day: Callable[[], date] = today) -> None:
        self._entries = {entry.sha256: entry for entry in entries}
        self._day = day

    def find(self, key: str) -> Caller | None:
        digest = hashed(key)
        entry = self._entries.get(digest)
        known = digest if entry else "0" * 64
        if not hmac.compare_digest(digest, known) or entry is None:
            return None
        return None if entry.expires is not None and self._day() >= entry.expires else entry.caller
