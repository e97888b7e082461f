"""Credentials are compared with what the documents say of each form, and a signature holds for one request only."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts.authentication import wrong_credentials
from contracts.closed_world import Sent
from contracts.mapping import Mapping
from gateway.conformance.requests import run_requests
from gateway.conformance.running import BASE_URL, NOW
from gateway.conformance.strength.mutant import Plugin, subclass
from gateway.conformance.subject import Subject
from providers.sdk import Call
from tests.contracts.plugins import PROVIDERS

CALL: Call[None] = Call("POST", "/payouts", reads=lambda reply: None, body=b"{}")


def held_by(credentials: Any) -> dict[str, str]:
    return {name: getattr(credentials, name).reveal() for name in credentials.__struct_fields__}


def sent(headers: Any, **changes: Any) -> Sent:
    pairs = tuple((name.lower(), value) for name, value in headers.items())
    return Sent(CALL.method, CALL.path, (), pairs, b"{}")._replace(**changes)


def signed(subject: Subject, credentials: Any, now: float = NOW) -> Any:
    return subject.made().authorize(CALL, BASE_URL + CALL.path, credentials, None, now)


def rules(provider: str) -> Any:
    return Mapping.load(provider).raw["authentication"]


def signing() -> list[Any]:
    """Each kind of key that the mapping has made."""
    return [each for each in Subject.installed("tokenio").credentials if "private_key" in held_by(each)]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_form_of_credentials_is_documented_in_the_mapping(provider: str) -> None:
    forms = {frozenset(rule["form"]) for rule in rules(provider)}
    taken = {frozenset(form.__struct_fields__) for form in Subject.installed(provider).plugin.credentials}
    assert forms == taken


def test_a_text_and_a_pair_must_hold_the_very_credentials() -> None:
    held = {"member_id": "test-member", "api_key": "test-key"}
    right = "Basic " + base64.b64encode(b"test-member:test-key").decode()
    wrong = "Basic " + base64.b64encode(b"test-key:test-member").decode()
    assert not list(wrong_credentials(rules("tokenio"), held, None, sent({"Authorization": right}), NOW))
    assert list(wrong_credentials(rules("tokenio"), held, None, sent({"Authorization": wrong}), NOW))
    pair = {"api_key": "test-key", "api_secret": "test-secret"}
    minted = sent({"Authorization": "Bearer test-token"})
    assert not list(wrong_credentials(rules("heldsway"), pair, "test-token", minted, NOW))
    assert list(wrong_credentials(rules("heldsway"), pair, "test-other-token", minted, NOW))


@pytest.mark.parametrize(
    ("changes", "late", "fault"),
    [
        ({}, 0, None),
        ({"method": "GET"}, 0, "the token is for another method"),
        ({"path": "/payouts/1"}, 0, "the token is for another path"),
        ({"body": b"{} "}, 0, "the signature does not match"),
        ({}, 3600, "the token has expired or lives too long"),
        ({}, -3600, "the token has expired or lives too long"),
    ],
)
@pytest.mark.parametrize("kind", range(3))
def test_a_signature_holds_for_one_request_and_a_short_time(
    kind: int, changes: dict[str, Any], late: float, fault: str | None
) -> None:
    credentials = signing()[kind]
    request = sent(signed(Subject.installed("tokenio"), credentials), **changes)
    found = list(wrong_credentials(rules("tokenio"), held_by(credentials), None, request, NOW + late))
    assert found == ([fault] if fault else [])


def other_key(plugin: Plugin) -> Any:
    return lambda self, *args: {
        name: value.replace("test-", "tset-") for name, value in plugin.authorize(self, *args).items()
    }


def no_key(plugin: Plugin) -> Any:
    return lambda self, *args: {}


@pytest.mark.parametrize("wrong", [other_key, no_key])
@pytest.mark.parametrize("provider", ["firstpromoter", "ledger"])
def test_the_suite_notices_wrong_credentials(provider: str, wrong: Callable[[Plugin], Any]) -> None:
    subject = Subject.installed(provider)
    changed = subclass(subject.plugin, authorize=wrong(subject.plugin))
    failures = run_requests(replace(subject, plugin=changed), 10, stop_at_first=True).failures
    assert "credentials" in failures[0].got or "authenticates in none" in failures[0].got
