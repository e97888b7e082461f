"""Tokens that are minted, tokens that are signed, and a key pair with colons in it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.simulator import Simulator
from contracts.simulator.heldsway import READER_TOKEN
from tests.simulator.conftest import ORDER, Open

pytestmark = pytest.mark.anyio

PAIR = {"api_key": "test-heldsway-key", "api_secret": "test-heldsway-secret"}


async def _mint(client: httpx.AsyncClient) -> dict[str, str]:
    data = (await client.post("/v1/auth/token", json=PAIR)).json()["data"]
    assert data["expires_in"] == 14_400
    return {"authorization": f"Bearer {data['access_token']}"}


async def test_minted_tokens_expire_and_can_be_revoked(opened: Open) -> None:
    simulator = Simulator("heldsway")
    client = opened(simulator)
    first = await _mint(client)
    assert (await client.get("/v1/payouts", headers=first)).status_code == 200
    simulator.advance(14_400)
    assert (await client.get("/v1/payouts", headers=first)).status_code == 401
    second = await _mint(client)
    assert second != first
    simulator.revoke()
    assert (await client.get("/v1/payouts", headers=second)).status_code == 401
    assert not simulator.violations


async def test_a_reader_may_not_write(opened: Open) -> None:
    client = opened(Simulator("heldsway"), Authorization=f"Bearer {READER_TOKEN}")
    assert (await client.get("/v1/payouts/42")).status_code == 200
    reply = await client.post("/v1/payouts/42/complete")
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "FORBIDDEN")


_KEYS: dict[str, Callable[[], Any]] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
}


class _Signer:
    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.key: Any = _KEYS[algorithm]()
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.pem = public.decode()

    def token(self, method: str, path: str, body: bytes = b"", changes: Any = ()) -> dict[str, str]:
        header = {
            "alg": self.algorithm,
            "kid": "test-kid",
            "mid": "m:test-member",
            "method": method,
            "path": path,
            "host": "simulator.test",
            "exp": int(time.time() * 1000) + 60_000,
        } | dict(changes)
        encoded = _b64(json.dumps(header).encode())
        signed = f"{encoded}.{_b64(body)}".encode()
        return {"authorization": f"Bearer {encoded}..{_b64(self._sign(signed))}"}

    def _sign(self, signed: bytes) -> bytes:
        if self.algorithm == "EdDSA":
            return bytes(self.key.sign(signed))
        if self.algorithm == "RS256":
            return bytes(self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))
        r, s = decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
async def test_signed_requests(algorithm: str, opened: Open) -> None:
    signer = _Signer(algorithm)
    simulator = Simulator("tokenio", keys={"test-kid": signer.pem})
    client = opened(simulator)
    path = "/payouts/po:test0001:sim"
    assert (await client.get(path, headers=signer.token("GET", path))).status_code == 200
    encoded = path.replace(":", "%3A")
    assert (await client.get(encoded, headers=signer.token("GET", path))).status_code == 200
    body = json.dumps(ORDER).encode()
    headers = {**signer.token("POST", "/payouts", body), "content-type": "application/json"}
    assert (await client.post("/payouts", content=body, headers=headers)).status_code == 200
    changed = body.replace(b"10.23", b"99.23")
    assert (await client.post("/payouts", content=changed, headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "RS256"},
        {"kid": "unheard"},
        {"mid": "m:other"},
        {"method": "POST"},
        {"path": "/payouts/other"},
        {"host": ""},
        {"exp": int(time.time())},
        {"exp": int(time.time() * 1000) - 1},
        {"exp": int(time.time() * 1000) + 3_600_000},
        {"exp": None},
    ],
)
async def test_tokens_that_prove_nothing(changes: dict[str, Any], opened: Open) -> None:
    signer = _Signer("EdDSA")
    client = opened(Simulator("tokenio", keys={"test-kid": signer.pem}))
    path = "/payouts/po:test0001:sim"
    assert (await client.get(path, headers=signer.token("GET", path, changes=changes))).status_code == 401


async def test_a_key_can_be_registered_later_and_outlives_a_reset(opened: Open) -> None:
    signer, simulator = _Signer("EdDSA"), Simulator("tokenio")
    client = opened(simulator)
    path = "/payouts/po:test0001:sim"
    assert (await client.get(path, headers=signer.token("GET", path))).status_code == 401
    assert (await client.post("/_control/keys", json={"kid": "test-kid", "pem": signer.pem})).status_code == 204
    simulator.reset()
    assert (await client.get(path, headers=signer.token("GET", path))).status_code == 200


async def test_basic_credentials_with_a_colon_in_the_member(opened: Open) -> None:
    client = opened(Simulator("tokenio"))
    del client.headers["authorization"]
    auth = httpx.BasicAuth("m:test-member", "test-tokenio-key")
    assert (await client.get("/payouts?limit=1", auth=auth)).status_code == 200
