"""Who is calling: by an API key, or by a token of one of the configured issuers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx
import jwt

from gateway.config import Issuer
from gateway.jwks import Fetch, KeySet
from gateway.keys import Caller, KeyRing
from gateway.tokens import Tokens
from gateway.upstream.bodies import read_body

FETCH_SECONDS = 5.0


class Callers:
    """Everyone who may call, as one config has it."""

    def __init__(self, keys: KeyRing, issuers: Sequence[Tokens]) -> None:
        self.keys = keys
        self.issuers = {each.issuer.issuer: each for each in issuers}

    async def find(self, presented: str) -> Caller | None:
        caller = self.keys.find(presented)
        if caller is not None or not self.issuers:
            return caller
        tokens = self.issuers.get(claimed_issuer(presented))
        return await tokens.find(presented) if tokens else None

    async def close(self) -> None:
        for each in self.issuers.values():
            await each.keys.close()


def claimed_issuer(token: str) -> str:
    """Whose token it says it is; not believed, only asked. Empty where it says nothing readable."""
    try:
        return str(jwt.decode(token, options={"verify_signature": False}).get("iss", ""))
    except (jwt.PyJWTError, ValueError, RecursionError):
        return ""


def tokens_of(issuer: Issuer, transport: httpx.AsyncBaseTransport) -> Tokens:
    return Tokens(issuer, KeySet(issuer.name, issuer.algorithms, _fetch_of(issuer, transport)))


def _fetch_of(issuer: Issuer, transport: httpx.AsyncBaseTransport) -> Fetch:
    if issuer.jwks_url is not None:
        return partial(_fetched, transport, issuer.jwks_url)
    return partial(asyncio.to_thread, Path(issuer.jwks_file or "").read_bytes)


async def _fetched(transport: httpx.AsyncBaseTransport, url: str) -> bytes:
    """A bounded answer from the issuer. Raises what goes wrong."""
    request = httpx.Request("GET", url, headers={"Accept": "application/json", "Accept-Encoding": "identity"})
    async with asyncio.timeout(FETCH_SECONDS):
        reply = await read_body(await transport.handle_async_request(request))
    if reply.status != 200:
        raise ValueError(f"the issuer answered {reply.status}")
    return reply.body
