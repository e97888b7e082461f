"""Tokens instead of keys, over HTTP: what is not wholly right is refused, and always in the same words."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from gateway.keys import hashed
from tests.api.conftest import config_of, done, problem
from tests.conftest import TEST_KEY, Stack, four_simulators, order, stack_of
from tests.issuer import KEYS, STRANGER, claims, jwks, section, serving_keys, token
from tests.toml import written

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One gateway that takes tokens of an issuer, whose keys are in a file, and an expired key."""
    folder = tmp_path_factory.mktemp("journal")
    (folder / "jwks.json").write_bytes(jwks())
    async with four_simulators() as simulators:
        raw = config_of(simulators, folder)
        raw["issuers"] = [section(jwks_file=str(folder / "jwks.json"))]
        expired = {"name": "expired", "sha256": hashed("test-expired"), "scopes": ["payouts:read"]}
        raw["api_keys"].append(expired | {"expires": "2026-01-01"})
        async with stack_of(raw, simulators) as made:
            yield made


def bearer(presented: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {presented}", "Idempotency-Key": "key-of-a-token"}


def by_secret() -> str:
    """RFC 8725, 2.1: the public key taken for an HMAC secret. Made by hand: the library refuses to."""
    public = KEYS["test-rsa"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, body = (_part(each) for each in ({"alg": "HS256", "kid": "test-rsa", "typ": "JWT"}, claims()))
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(f"{head}.{body}".encode(), pem)
    return f"{head}.{body}.{jwt.utils.base64url_encode(signature).decode()}"


def _part(value: dict[str, Any]) -> str:
    return jwt.utils.base64url_encode(json.dumps(value).encode()).decode()


def past(seconds: int) -> int:
    return int(time.time()) - seconds


WRONG = {
    "expired": lambda: token(exp=past(60)),
    "without an end": lambda: token(exp=None),
    "not valid yet": lambda: token(nbf=past(-600)),
    "of another issuer": lambda: token(iss="https://login.elsewhere.test/"),
    "for another audience": lambda: token(aud="something-else"),
    "for no audience": lambda: token(aud=None),
    "of nobody": lambda: token(sub=None),
    "of a number": lambda: token(sub=7),
    "of no tenant": lambda: token(org=None),
    "of two tenants": lambda: token(org=["acme", "other"]),
    "signed by someone else": lambda: token(key=STRANGER),
    "of an unknown key": lambda: token(headers={"kid": "nobody"}),
    "of no key": lambda: token(headers={}),
    "unsigned": lambda: f"{_part({'alg': 'none', 'kid': 'test-ec'})}.{_part(claims())}.",
    "signed with the public key": by_secret,
    "of a key for another algorithm": lambda: token("test-rsa", headers={"kid": "test-ec"}),
    "of a hash that is not pinned": lambda: token("test-rsa", algorithm="RS512"),
    "with a critical header": lambda: token(headers={"kid": "test-ec", "crit": ["x"], "x": 1}),
    "changed": lambda: token().replace(".", ".e30", 1),
    "cut": lambda: token().rpartition(".")[0] + ".",
    "no token": lambda: "a.b.c",
    "deep": lambda: f"{_part({'alg': 'ES256'})}.{jwt.utils.base64url_encode(b'[' * 20_000).decode()}.x",
    "a wrong key": lambda: "pgk_test",
    "an expired key": lambda: "test-expired",
}


@pytest.mark.parametrize("made", WRONG.values(), ids=WRONG.keys())
async def test_whatever_is_wrong_is_refused_in_the_same_words(stack: Stack, made: Any) -> None:
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False) as client:
        nothing = await client.get("/v1/operations")
        answer = await client.get("/v1/operations", headers=bearer(made()))
    problem(answer, "unauthenticated")
    assert (answer.content, answer.headers["www-authenticate"]) == (nothing.content, "Bearer")


@pytest.mark.parametrize("id", KEYS)
async def test_a_right_token_does_what_its_claims_allow_and_no_more(stack: Stack, id: str) -> None:
    assert (await stack.call.get("/v1/payouts/sway:42", headers=bearer(token(id)))).status_code == 200
    refused = await stack.call.get("/v1/connections/sway/settings", headers=bearer(token(id)))
    problem(refused, "missing_scope")
    nothing = await stack.call.get("/v1/payouts", headers=bearer(token(id, scope="payouts:read admin")))
    problem(nothing, "missing_scope")


async def test_a_token_writes_as_its_issuers_subject_in_its_tenant(stack: Stack) -> None:
    made = done(await stack.call.post("/v1/payouts", json=order("by-token"), headers=bearer(token())), 201)
    path = f"/v1/operations/{made['operation']['id']}"
    assert (await stack.call.get(path, headers=bearer(TEST_KEY))).status_code == 200
    problem(await stack.call.get(path, headers=bearer(token(org="other"))), "not_found")
    rows = await stack.gateway.store.read(lambda tx: tx.execute("SELECT maker, tenant FROM operation"))
    assert [tuple(row) for row in rows] == [("https://login.example.test/ alice", "default")]


async def test_keys_by_url_come_once_and_stay_over_a_reload_while_the_issuer_is_down(tmp_path: Path) -> None:
    async with four_simulators() as simulators, serving_keys(answers=1) as (url, asked):
        raw = config_of(simulators, tmp_path) | {"issuers": [section(jwks_url=url)]}
        async with stack_of(raw, simulators, written(raw, tmp_path / "gateway.toml")) as stack:
            for cache in (0.5, 0.6):
                for _ in range(5):
                    assert (await stack.call.get("/v1/operations", headers=bearer(token()))).status_code == 200
                written(raw | {"reads": {"cache": cache}}, stack.file)
                assert (await stack.call.post("/v1/admin/reload")).status_code == 200
            assert (await stack.call.get("/v1/operations", headers=bearer(token()))).status_code == 200
    assert len(asked) == 1
    assert asked[0].startswith("GET /jwks ")
    assert "authorization" not in asked[0].lower()


async def test_an_issuer_that_is_taken_out_of_the_file_is_believed_no_more(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks())
    async with four_simulators() as simulators:
        raw = config_of(simulators, tmp_path) | {"issuers": [section(jwks_file=str(tmp_path / "jwks.json"))]}
        async with stack_of(raw, simulators, written(raw, tmp_path / "gateway.toml")) as stack:
            assert (await stack.call.get("/v1/operations", headers=bearer(token()))).status_code == 200
            written(raw | {"issuers": []}, stack.file)
            assert (await stack.call.post("/v1/admin/reload")).status_code == 200
            problem(await stack.call.get("/v1/operations", headers=bearer(token())), "unauthenticated")
