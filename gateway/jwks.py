"""An issuer's public keys, as a JSON Web Key Set: which of them can be used, and when they are asked for again."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import jwt

log = logging.getLogger("gateway.tokens")

FRESH_SECONDS = 600.0  # after which the issuer is asked for its keys again
PAUSE_SECONDS = 30.0  # between two questions to the issuer, whatever tokens come
KEY_TYPES = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
RSA_BITS = 2048

Fetch = Callable[[], Awaitable[bytes]]


class KeySet:
    """An issuer's public keys. They are kept while the issuer cannot be asked."""

    def __init__(
        self, issuer: str, algorithms: Sequence[str], fetch: Fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._algorithms = algorithms
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def find(self, id: str) -> jwt.PyJWK | None:
        """The key of this id. Only one that is not known is waited for."""
        known = self._keys.get(id)
        stale = self._clock() - self._fetched_at > FRESH_SECONDS
        if known is None or stale:
            asking = self._ask()
            if known is None and asking is not None:
                await asyncio.shield(asking)
                known = self._keys.get(id)
        return known

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _ask(self) -> asyncio.Task[None] | None:
        """One question at a time, and not too often: anybody may send tokens that name unknown keys."""
        if self._asking is None or self._asking.done():
            if self._clock() - self._asked_at < PAUSE_SECONDS:
                return None
            self._asked_at = self._clock()
            self._asking = asyncio.create_task(self._renew())
        return self._asking

    async def _renew(self) -> None:
        try:
            self._keys = public_keys(await self._fetch(), self._algorithms)
            self._fetched_at = self._clock()
        except Exception as error:  # whatever it is, the keys that we have stay good
            log.warning("the keys of issuer %s cannot be renewed: %s", self._issuer, type(error).__name__)


def public_keys(document: bytes, algorithms: Sequence[str]) -> dict[str, jwt.PyJWK]:
    """The keys of a JWKS that can check one of these algorithms, by their id. Raises ValueError."""
    found = {}
    for raw in _listed(document):
        algorithm = _algorithm(raw, algorithms)
        if algorithm is None:
            continue
        try:
            key = jwt.PyJWK(raw, algorithm)
        except (jwt.PyJWTError, ValueError, KeyError, TypeError):  # one bad key spoils no other
            continue
        if algorithm != "RS256" or key.key.key_size >= RSA_BITS:
            found[raw["kid"]] = key
    return found


def _listed(document: bytes) -> list[dict[str, Any]]:
    loaded = json.loads(document)
    if not isinstance(loaded, dict) or not isinstance(loaded.get("keys"), list):
        raise ValueError("not a JSON Web Key Set")
    return [raw for raw in loaded["keys"] if isinstance(raw, dict) and isinstance(raw.get("kid"), str)]


def _algorithm(raw: Mapping[str, Any], algorithms: Sequence[str]) -> str | None:
    """The one pinned algorithm that this key is for. A secret key (`oct`), or a private one, is for none."""
    if raw.get("use", "sig") != "sig" or "d" in raw:
        return None
    kind = raw.get("kty"), raw.get("crv")
    return next((name for name in algorithms if KEY_TYPES[name] == kind and raw.get("alg", name) == name), None)
