"""API keys. Any key whose hex SHA-256 is configured works; the ones made here carry a prefix and a checksum."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "pgk_"
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
    """Who is calling: one configured key."""

    name: str
    tenant: str
    scopes: frozenset[str]
    connections: frozenset[str] | None = None  # None: all
    tags: frozenset[str] = frozenset()

    def may_use(self, connection: str) -> bool:
        return self.connections is None or connection in self.connections


def new_key() -> str:
    """A key of 256 random bits; its last six characters let a scanner tell a real key from noise."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(43))
    return f"{PREFIX}{body}{_checksum(body)}"


def _checksum(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        value, place = divmod(value, len(_ALPHABET))
        digits = _ALPHABET[place] + digits
    return digits


def hashed(key: str) -> str:
    """The hex SHA-256 that the config names."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyRing:
    """Looks a presented key up by its hash, so that time tells nothing about the keys that exist."""

    def __init__(self, callers: Iterable[tuple[str, Caller]]) -> None:
        self._callers = dict(callers)

    def find(self, key: str) -> Caller | None:
        digest = hashed(key)
        caller = self._callers.get(digest)
        known = digest if caller else "0" * 64
        return caller if hmac.compare_digest(digest, known) and caller else None
