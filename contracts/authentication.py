"""Whether a request shows the credentials as the mapping's section `authentication` says, by data alone."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from contracts.closed_world import Sent
from contracts.simulator.signature import NotSigned, check
from contracts.simulator.wire import Request


def wrong_credentials(rules: Any, held: Mapping[str, str], token: str | None, sent: Sent, now: float) -> Iterator[str]:
    """What is wrong with them; never their values. `token`: what a login gave; `now` in seconds of the epoch."""
    rule = next(each for each in rules if set(each["form"]) == held.keys())
    shown = dict(sent.headers).get(rule["header"], "")
    if "signature" in rule:
        yield from _wrong_signature(rule["signature"], held, shown, sent, now)
    elif shown != _text(rule, held, token):
        yield f"header {rule['header']} does not hold the credentials as documented"


def _text(rule: Any, held: Mapping[str, str], token: str | None) -> str:
    if "basic" in rule:
        pair = ":".join(held[name] for name in rule["basic"])
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return str(rule["text"]).format(**held, token=token)


def _wrong_signature(rule: Any, held: Mapping[str, str], shown: str, sent: Sent, now: float) -> Iterator[str]:
    scheme, _, signature = shown.partition(" ")
    headers = dict(sent.headers)
    request = Request(sent.method, sent.path, "", headers, sent.body)
    try:
        check(signature, request, held[rule["member"]], {held[rule["key_id"]]: _public(held[rule["private_key"]])}, now)
    except NotSigned as error:
        yield str(error)
    if scheme != "Bearer":
        yield "the signature is no bearer token"


@cache
def _public(private: str) -> str:
    key = load_pem_private_key(private.encode(), None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
