"""An issuer of tokens, for tests: its keys, its JWKS, and tokens right and wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://login.example.test/", "payout-gateway"
KEYS: dict[str, Any] = {
    "test-rsa": rsa.generate_private_key(65537, 2048),
    "test-ec": ec.generate_private_key(ec.SECP256R1()),
    "test-ed": ed25519.Ed25519PrivateKey.generate(),
}
ALGORITHMS = {"test-rsa": "RS256", "test-ec": "ES256", "test-ed": "EdDSA"}
STRANGER = ec.generate_private_key(ec.SECP256R1())


def jwk(id: str, **more: Any) -> dict[str, Any]:
    public = KEYS[id].public_key()
    makers = {"test-rsa": RSAAlgorithm.to_jwk, "test-ec": ECAlgorithm.to_jwk, "test-ed": OKPAlgorithm.to_jwk}
    return {**json.loads(makers[id](public)), "kid": id, "use": "sig", **more}  # type: ignore[operator]


def jwks(*ids: str) -> bytes:
    return json.dumps({"keys": [jwk(id) for id in ids or KEYS]}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """Right ones; a change to None takes the claim out."""
    now = int(time.time())
    right = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now + 300, "iat": now}
    right |= {"org": "acme", "scope": "payouts.read payouts.write openid"}
    return {name: value for name, value in (right | changes).items() if value is not None}


def token(
    id: str = "test-ec", *, key: Any = None, algorithm: str | None = None, headers: Any = None, **more: Any
) -> str:
    headers = {"kid": id} if headers is None else headers
    return jwt.encode(claims(**more), key or KEYS[id], algorithm or ALGORITHMS[id], headers=headers)


@contextlib.asynccontextmanager
async def serving_keys(answers: int) -> AsyncIterator[tuple[str, list[str]]]:
    """A URL of the JWKS, and what was asked of it. It answers so many times, and then with 503."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        status, body = (200, jwks()) if len(asked) <= answers else (503, b"")
        writer.write(
            f"HTTP/1.1 {status} OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks", asked


def section(**changes: Any) -> dict[str, Any]:
    """The config's [[issuers]] entry; where its keys are is the test's to say."""
    return {
        "name": "login",
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": ["RS256", "ES256", "EdDSA"],
        "tenant": {"claim": "org", "values": {"acme": "default", "other": "other"}},
        "scopes": {"values": {"payouts.read": ["payouts:read"], "payouts.write": ["payouts:write"]}},
        **changes,
    }
