"""Every request that a plugin builds is one that the contract documents: no field missing, and none more."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from providers.heldsway import Settings as HeldswaySettings
from providers.sdk import Call, FieldRefused, ListQuery, Mark, Order, Provider, RefusalKind, Reply
from providers.tokenio import Settings as TokenIoSettings
from tests.contracts import strategies
from tests.contracts.closed_world import faults
from tests.contracts.oracle import PROVIDERS, oracle_of
from tests.contracts.plugins import SETTINGS, build, documented, login_call, plugin

CAPABILITIES = [(provider, capability) for provider in PROVIDERS for capability, _ in oracle_of(provider).unified()]
CONFIGURED: dict[str, list[Any]] = {
    "heldsway": [SETTINGS["heldsway"], HeldswaySettings(bulk_key="payout_ids")],
    "tokenio": [SETTINGS["tokenio"], TokenIoSettings("test-account-2", "test-sub-tpp", "test-payment-type")],
}


def sent_or_refused(made: Provider, capability: str, arguments: tuple[Any, ...]) -> Call[None] | str:
    """The call, comparable by all that reaches the wire, or the pointer of the field that was refused."""
    try:
        call: Call[Any] = getattr(made, capability)(*arguments)
        return replace(call, reads=read_nothing)
    except FieldRefused as refused:
        return refused.pointer


def read_nothing(reply: Reply) -> None:
    return None


@pytest.mark.parametrize(("provider", "capability"), CAPABILITIES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_request_is_documented_or_refused_by_field(provider: str, capability: str, data: st.DataObject) -> None:
    configured = data.draw(st.sampled_from(CONFIGURED.get(provider, [None])))
    arguments = data.draw(strategies.arguments(provider, capability))
    first, again = (sent_or_refused(plugin(provider, settings=configured), capability, arguments) for _ in range(2))
    assert first == again
    if isinstance(first, Call):
        assert faults(documented(provider), first) == []
    else:
        assert first.startswith("/")


@settings(max_examples=200, deadline=None)
@given(order=strategies.orders())
def test_every_order_is_documented_or_refused_by_field(order: Order) -> None:
    built = sent_or_refused(plugin("tokenio"), "create", (order,))
    event("sent" if isinstance(built, Call) else built)
    if isinstance(built, Call):
        assert faults(documented("tokenio"), built) == []
    else:
        assert built in ("/description", "/payee", "/payee/verification_id")


@pytest.mark.parametrize(("provider", "capability"), CAPABILITIES)
def test_each_capability_builds_a_documented_request(provider: str, capability: str) -> None:
    full = Mark(reference="test-reference-1", notes="test notes", reason="test reason")
    assert faults(documented(provider), build(plugin(provider), capability, full)) == []


def test_the_login_is_documented() -> None:
    assert faults(documented("heldsway"), login_call()) == []
    assert json.loads(login_call().body or b"") == {"api_key": "test-key-0001", "api_secret": "test-secret-0001"}


def test_both_forms_of_a_bulk_body_are_documented() -> None:
    for configured in CONFIGURED["heldsway"]:
        call = plugin("heldsway", settings=configured).bulk_complete(["42", "43"], Mark(reference="test-reference-1"))
        assert faults(documented("heldsway"), call) == []
        assert json.loads(call.body or b"") == {configured.bulk_key: [42, 43]}


def test_what_the_operator_configures_is_sent() -> None:
    made = plugin("tokenio", settings=CONFIGURED["tokenio"][1])
    sent_order = json.loads(build(made, "create").body or b"")["initiation"]
    assert sent_order["debtor"] == {"accountId": "test-account-2"}
    assert (sent_order["onBehalfOfId"], sent_order["paymentType"]) == ("test-sub-tpp", "test-payment-type")
    for capability in ("list_payouts", "find"):
        assert ("onBehalfOfId", "test-sub-tpp") in build(made, capability).query
    plain = json.loads(build(plugin("tokenio"), "create").body or b"")["initiation"]
    assert not {"onBehalfOfId", "paymentType"} & plain.keys()


def test_tokenio_is_always_asked_for_errors_in_json() -> None:
    for capability, _ in oracle_of("tokenio").unified():
        assert build(plugin("tokenio"), capability).headers == (("token-json-error", "true"),)


def test_a_call_that_departs_from_the_contract_is_found_out() -> None:
    """The checker itself can fail."""
    good = plugin("heldsway").complete("42", Mark(reference="r"))
    spoilt = [
        replace(good, method="PUT"),
        replace(good, path="/v1/payouts/42/paid"),
        replace(good, path="/v1/payouts/4.2/complete"),
        replace(good, query=(("dry_run", "true"),)),
        replace(good, headers=(("X-Test", "1"),)),
        replace(good, body=b'{"reference":"r","amount":1}'),
        replace(good, body=b'{"reference":1}'),
        replace(good, success=frozenset({201})),
        replace(good, refuses={500: RefusalKind.INVALID}),
        replace(good, accept="text/csv"),
        replace(good, operation="fail_payout"),
    ]
    assert [call for call in spoilt if not faults(documented("heldsway"), call)] == []


def test_a_query_that_departs_from_the_contract_is_found_out() -> None:
    listed = plugin("tokenio").list_payouts(ListQuery())
    for query in ((), (("limit", "0"),), (("limit", "x"),), (("limit", "1"), ("limit", "2")), (("limit", "201"),)):
        assert faults(documented("tokenio"), replace(listed, query=query))
    for body in (b'{"initiation":{}}', b"{}"):
        assert faults(documented("tokenio"), replace(build(plugin("tokenio"), "create"), body=body))
