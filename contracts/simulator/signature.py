"""Checks a request's own token: a JWS whose payload is detached, since it is the request's body."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from contracts.simulator.wire import Request

LONGEST_LIFE = 600_000  # milliseconds; documented as advice, taken as a rule here


class NotSigned(Exception):
    """The token does not prove that the member sent this very request."""


def check(token: str, request: Request, member: str, keys: Mapping[str, str], now: float) -> None:
    """Raises NotSigned. `now` in seconds; the token's `exp` counts milliseconds."""
    encoded, _, rest = token.partition(".")
    payload, _, signature = rest.partition(".")
    if payload or not signature:
        raise NotSigned("the token is no detached JWS")
    header = _header(encoded)
    _check_header(header, request, member, now)
    key = keys.get(str(header.get("kid")))
    if key is None:
        raise NotSigned("the key is not known")
    _verify(str(header.get("alg")), key, f"{encoded}.{_encode(request.body)}".encode(), _decode(signature))


def _header(encoded: str) -> dict[str, Any]:
    try:
        header = json.loads(_decode(encoded))
    except ValueError:
        raise NotSigned("the token's header is no JSON") from None
    if not isinstance(header, dict):
        raise NotSigned("the token's header is no object")
    return header


def _check_header(header: Mapping[str, Any], request: Request, member: str, now: float) -> None:
    if header.get("mid") != member:
        raise NotSigned("the token is another member's")
    if header.get("method") != request.method:
        raise NotSigned("the token is for another method")
    # Whether colons are signed encoded or not is undocumented, so either will do.
    if unquote(str(header.get("path"))) != unquote(request.path):
        raise NotSigned("the token is for another path")
    if not header.get("host"):
        raise NotSigned("the token names no host")
    _check_expiry(header.get("exp"), now * 1000)


def _check_expiry(exp: Any, now: float) -> None:
    if isinstance(exp, str) and exp.isdigit():
        exp = int(exp)
    if not isinstance(exp, int) or isinstance(exp, bool):
        raise NotSigned("the token has no expiry in milliseconds")
    if not now < exp <= now + LONGEST_LIFE:
        raise NotSigned("the token has expired or lives too long")


def _verify(algorithm: str, pem: str, signed: bytes, signature: bytes) -> None:
    verify = _ALGORITHMS.get(algorithm)
    if verify is None:
        raise NotSigned("the algorithm is not accepted")
    try:
        verify(load_pem_public_key(pem.encode()), signed, signature)
    except (InvalidSignature, ValueError):
        raise NotSigned("the signature does not match") from None


def _eddsa(key: Any, signed: bytes, signature: bytes) -> None:
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ValueError
    key.verify(signature, signed)


def _rs256(key: Any, signed: bytes, signature: bytes) -> None:
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError
    key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())


def _es256(key: Any, signed: bytes, signature: bytes) -> None:
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(signature) != 64:
        raise ValueError
    halves = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(encode_dss_signature(*halves), signed, ec.ECDSA(hashes.SHA256()))


_ALGORITHMS: Mapping[str, Callable[[Any, bytes, bytes], None]] = {
    "EdDSA": _eddsa,
    "RS256": _rs256,
    "ES256": _es256,
}


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise NotSigned("the token is not base64url") from None
