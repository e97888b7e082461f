"""Token.io's own signature: each request is signed anew, and the signature holds for that request alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from providers.sdk import Call, Secret
from providers.tokenio import SigningKey
from tests.contracts.plugins import build, plugin

NOW = 1_763_618_400.123
MAKERS: dict[str, Callable[[], Any]] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.fixture(scope="module", params=list(MAKERS))
def signer(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, MAKERS[request.param]()


def credentials(key: Any) -> SigningKey:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return SigningKey(Secret("m:test:member"), Secret("test-key-id"), Secret(pem))


def token_of(key: Any, call: Call[Any], base: str = "https://api.example.test:8443/base", now: float = NOW) -> str:
    url = base + call.path + ("?limit=10" if call.query else "")
    headers = plugin("tokenio").authorize(call, url, credentials(key), None, now)
    scheme, _, token = headers["Authorization"].partition(" ")
    assert (scheme, len(headers)) == ("Bearer", 1)
    return token


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header_of(token: str) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(decoded(token.partition(".")[0]))
    return header


def verify(key: Any, token: str, body: bytes) -> None:
    """By the public key and RFC 7515 alone: the payload is the request's body. Raises InvalidSignature."""
    head, payload, signature = token.split(".")
    assert payload == ""  # detached
    signed = f"{head}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}".encode()
    public, raw = key.public_key(), decoded(signature)
    match header_of(token)["alg"]:
        case "EdDSA":
            public.verify(raw, signed)
        case "RS256":
            public.verify(raw, signed, padding.PKCS1v15(), hashes.SHA256())
        case "ES256":
            assert len(raw) == 64
            halves = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
            public.verify(encode_dss_signature(*halves), signed, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("capability", ["create", "get", "list_payouts", "find"])
def test_the_public_key_verifies_each_request(signer: tuple[str, Any], capability: str) -> None:
    algorithm, key = signer
    call = build(plugin("tokenio"), capability)
    token = token_of(key, call)
    verify(key, token, call.body or b"")
    assert header_of(token)["alg"] == algorithm


def test_a_signature_holds_for_one_body_only(signer: tuple[str, Any]) -> None:
    key = signer[1]
    call = build(plugin("tokenio"), "create")
    token = token_of(key, call)
    body = call.body or b""
    for other in (b"", body + b" ", body.replace(b"10.23", b"10.24"), body[:-1]):
        with pytest.raises(InvalidSignature):
            verify(key, token, other)


def test_a_signature_names_method_host_path_key_and_member() -> None:
    key = MAKERS["EdDSA"]()
    for capability, method, path in (
        ("create", "POST", "/base/payouts"),
        ("get", "GET", "/base/payouts/po:Test1:Sim1"),
        ("list_payouts", "GET", "/base/payouts"),
    ):
        header = header_of(token_of(key, build(plugin("tokenio"), capability)))
        assert (header["method"], header["path"], header["host"]) == (method, path, "api.example.test:8443")
        assert (header["kid"], header["mid"]) == ("test-key-id", "m:test:member")


def test_what_a_signature_names_cannot_be_changed(signer: tuple[str, Any]) -> None:
    key = signer[1]
    call = build(plugin("tokenio"), "create")
    head, _, signature = token_of(key, call).split(".")
    for field, other in (
        ("method", "PUT"),
        ("path", "/payouts/other"),
        ("host", "h"),
        ("exp", 2**50),
        ("mid", "m:other"),
    ):
        spoilt = {**json.loads(decoded(head)), field: other}
        forged = base64.urlsafe_b64encode(json.dumps(spoilt).encode()).rstrip(b"=").decode()
        with pytest.raises(InvalidSignature):
            verify(key, f"{forged}..{signature}", call.body or b"")


@pytest.mark.parametrize("now", [0.0, NOW, 1_763_618_400.999, 4_102_444_800.5])
def test_a_signature_expires_in_sixty_seconds_counted_in_milliseconds(now: float) -> None:
    header = header_of(token_of(MAKERS["EdDSA"](), build(plugin("tokenio"), "create"), now=now))
    assert isinstance(header["exp"], int)
    assert abs(header["exp"] - round(now * 1000) - 60_000) <= 1


def test_a_signature_shows_nothing_of_the_key(signer: tuple[str, Any]) -> None:
    held = credentials(signer[1])
    assert "PRIVATE KEY" not in repr(held)
    assert "PRIVATE" not in str(header_of(token_of(signer[1], build(plugin("tokenio"), "create"))))


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()])
def test_a_key_of_another_curve_is_refused(curve: ec.EllipticCurve) -> None:
    with pytest.raises(ValueError, match="Ed25519, ECDSA P-256 or RSA"):
        token_of(ec.generate_private_key(curve), build(plugin("tokenio"), "create"))
