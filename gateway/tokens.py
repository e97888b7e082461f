"""Tokens of issuers: signed JWTs that stand for a caller, checked with the issuer's public keys.

What a token may do is what the config makes of its claims; a claim that the config does not name gives nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import jwt

from gateway.config import Issuer
from gateway.keys import Caller

log = logging.getLogger("gateway.tokens")

FRESH_SECONDS = 600.0  # after which the issuer is asked for its keys again
PAUSE_SECONDS = 30.0  # between two questions to the issuer, whatever tokens come
LEEWAY = timedelta(seconds=30)  # how far the issuer's clock may be off
KEY_TYPES = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
SUBJECT = re.compile(r"[\x21-\x7e]{1,200}")
RSA_BITS = 2048

Fetch = Callable[[], Awaitable[bytes]]


class KeySet:
    """An issuer's public keys. They are kept while the issuer cannot be asked."""

    def __init__(self, issuer: Issuer, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self.issuer = issuer
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
            self._keys = public_keys(await self._fetch(), self.issuer.algorithms)
            self._fetched_at = self._clock()
        except Exception as error:  # whatever it is, the keys that we have stay good
            log.warning("the keys of issuer %s cannot be renewed: %s", self.issuer.name, type(error).__name__)


def public_keys(document: bytes, algorithms: tuple[str, ...]) -> dict[str, jwt.PyJWK]:
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


def _algorithm(raw: Mapping[str, Any], algorithms: tuple[str, ...]) -> str | None:
    """The one pinned algorithm that this key is for. A secret key (`oct`), or a private one, is for none."""
    if raw.get("use", "sig") != "sig" or "d" in raw:
        return None
    kind = raw.get("kty"), raw.get("crv")
    return next((name for name in algorithms if KEY_TYPES[name] == kind and raw.get("alg", name) == name), None)


class Tokens:
    """Finds the caller that a token stands for."""

    def __init__(self, issuer: Issuer, keys: KeySet) -> None:
        self.issuer = issuer
        self.keys = keys

    async def find(self, token: str) -> Caller | None:
        """None for whatever is not wholly right: nobody learns from the answer what was wrong."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self.keys.find(str(header.get("kid", "")))
            if key is None or header.get("alg") != key.algorithm_name:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self.issuer.audience,
                issuer=self.issuer.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError):
            return None
        return caller_of(self.issuer, claims)


def caller_of(issuer: Issuer, claims: Mapping[str, Any]) -> Caller | None:
    """The caller whom checked claims name; None where they name no subject, or no one tenant."""
    subject = claims["sub"]
    tenants = {issuer.tenant.values[word] for word in _words(claims, issuer.tenant.claim) & issuer.tenant.values.keys()}
    if SUBJECT.fullmatch(subject) is None or len(tenants) != 1:
        return None
    granted = _words(claims, issuer.scopes.claim) & issuer.scopes.values.keys()
    return Caller(
        name=f"{issuer.issuer} {subject}",
        tenant=tenants.pop(),
        scopes=frozenset(scope for word in granted for scope in issuer.scopes.values[word]),
        connections=None if issuer.connections is None else frozenset(issuer.connections),
        tags=frozenset(issuer.tags),
    )


def _words(claims: Mapping[str, Any], name: str) -> set[str]:
    """A claim is a list, or words with spaces between them."""
    value = claims.get(name)
    listed = value.split() if isinstance(value, str) else value
    return {word for word in listed if isinstance(word, str)} if isinstance(listed, list) else set()
