"""Tokens of issuers: signed JWTs that stand for a caller, checked with the issuer's public keys.

What a token may do is what the config makes of its claims; a claim that the config does not name gives nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt

from gateway.config import Issuer
from gateway.jwks import KeySet
from gateway.keys import Caller

LEEWAY = timedelta(seconds=30)  # how far the issuer's clock may be off
SUBJECT = re.compile(r"[\x21-\x7e]{1,200}")


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
