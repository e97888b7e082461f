"""An issuer's keys are asked for when needed, not too often, and kept while it is down. Claims give what is mapped."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from gateway.config import Issuer
from gateway.jwks import FRESH_SECONDS, PAUSE_SECONDS, KeySet, public_keys
from gateway.keys import Caller
from gateway.tokens import Tokens, caller_of
from tests.issuer import ISSUER, claims, jwk, jwks, section, token

pytestmark = pytest.mark.anyio

ISSUED = msgspec.convert(section(jwks_url="https://login.example.test/jwks"), Issuer)
ALL = ISSUED.algorithms


@dataclass
class Source:
    """An issuer whose answers and clock a test sets."""

    answer: bytes | Exception
    now: float = 1000.0
    asked: int = 0
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.hold.set()

    async def fetch(self) -> bytes:
        self.asked += 1
        await self.hold.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def keys(self) -> KeySet:
        return KeySet("login", ALL, self.fetch, lambda: self.now)


async def test_keys_are_asked_for_once_and_then_known() -> None:
    source = Source(jwks())
    keys = source.keys()
    found = await asyncio.gather(*(keys.find("test-ec") for _ in range(20)), keys.find("test-rsa"))
    assert None not in found
    assert source.asked == 1


async def test_an_unknown_key_is_asked_for_at_most_once_in_a_while() -> None:
    source = Source(jwks("test-ec"))
    keys = source.keys()
    for _ in range(50):
        assert await keys.find("test-rsa") is None
    assert source.asked == 1
    source.answer = jwks()
    source.now += PAUSE_SECONDS
    assert await keys.find("test-rsa") is not None
    assert source.asked == 2


async def test_keys_are_kept_while_the_issuer_is_down() -> None:
    source = Source(jwks())
    keys = source.keys()
    await keys.find("test-ec")
    source.answer = OSError()
    for _ in range(5):
        source.now += FRESH_SECONDS * 2
        assert await keys.find("test-ec") is not None
        await asyncio.sleep(0)  # the question behind the answer


async def test_a_known_key_is_never_waited_for() -> None:
    source = Source(jwks())
    keys = source.keys()
    await keys.find("test-ec")
    source.now += FRESH_SECONDS * 2
    source.hold.clear()
    async with asyncio.timeout(1):
        assert await keys.find("test-ec") is not None
    await keys.close()


async def test_a_key_that_the_issuer_takes_back_is_gone_once_it_was_asked() -> None:
    source = Source(jwks())
    keys = source.keys()
    await keys.find("test-ec")
    source.answer = jwks("test-rsa")
    source.now += FRESH_SECONDS * 2
    await keys.find("test-ec")
    await asyncio.sleep(0)
    assert await keys.find("test-ec") is None


UNUSABLE = {
    "a secret key": {"kty": "oct", "k": "c2VjcmV0", "kid": "test-ec"},
    "a key for encryption": jwk("test-ec", use="enc"),
    "a key for another algorithm": jwk("test-rsa", alg="RS512"),
    "a private key": jwk("test-ec", d="AA"),
    "another curve": jwk("test-ec", crv="P-384"),
    "no point of its curve": jwk("test-ec", x="AA"),
    "a key without an id": jwk("test-ec", kid=None),
}


@pytest.mark.parametrize("raw", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_key_is_left_out_and_spoils_no_other(raw: dict[str, Any]) -> None:
    document = json.dumps({"keys": [raw, jwk("test-ed"), "junk"]}).encode()
    assert public_keys(document, ALL).keys() == {"test-ed"}


def test_a_key_of_an_algorithm_that_is_not_pinned_is_left_out() -> None:
    assert public_keys(jwks(), ("RS256",)).keys() == {"test-rsa"}


@pytest.mark.parametrize("document", [b"[]", b"{}", b'{"keys": {}}'])
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="not a JSON Web Key Set"):
        public_keys(document, ALL)


async def test_junk_instead_of_keys_changes_nothing() -> None:
    source = Source(jwks())
    keys = source.keys()
    await keys.find("test-ec")
    for junk in (b"", b"<html>", b"[" * 100_000, b"{}"):
        source.answer, source.now = junk, source.now + FRESH_SECONDS * 2
        await keys.find("test-ec")
        await asyncio.sleep(0)
        assert await keys.find("test-ec") is not None


@pytest.mark.parametrize("id", ["test-rsa", "test-ec", "test-ed"])
async def test_a_right_token_is_the_caller_that_its_claims_map_to(id: str) -> None:
    found = await Tokens(ISSUED, Source(jwks()).keys()).find(token(id))
    assert found == Caller(f"{ISSUER} alice", "default", frozenset({"payouts:read", "payouts:write"}))


def test_claims_that_are_not_mapped_give_nothing() -> None:
    caller = caller_of(ISSUED, claims(scope="admin payouts:write *"))
    assert caller is not None
    assert caller.scopes == frozenset()


@pytest.mark.parametrize("said", ["payouts.read", ["payouts.read"], "x payouts.read", ["x", 1, "payouts.read"]])
def test_a_claim_is_a_list_or_words(said: Any) -> None:
    caller = caller_of(ISSUED, claims(scope=said))
    assert caller is not None
    assert caller.scopes == {"payouts:read"}


@pytest.mark.parametrize("org", [None, "nobody", "", 7, {"acme": 1}, ["acme", "other"]])
def test_a_token_of_no_one_tenant_is_nobody(org: Any) -> None:
    assert caller_of(ISSUED, claims(org=org)) is None


@pytest.mark.parametrize("subject", ["", "a b", "a\n", "é", "x" * 201])
def test_a_subject_that_cannot_stand_in_the_journal_is_nobody(subject: str) -> None:
    assert caller_of(ISSUED, claims(sub=subject)) is None
