"""An order to move money carries every field, is refused by the name of what it cannot carry, and is named for ever."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from providers.sdk import Effect, FieldRefused, Money, PayeeAccount
from tests.contracts import strategies
from tests.contracts.oracle import PROVIDERS, at, oracle_of
from tests.contracts.plugins import ORDER, plugin

IBAN = "DE89370400440532013000"
EVERY_FORM = PayeeAccount(
    name="Test Person Two",
    iban=IBAN,
    account_number="31926819",
    sort_code="601613",
    bic="TESTDEFFXXX",
    verification_id="test-verification-1",
)


def test_an_order_carries_each_field_where_the_oracle_says() -> None:
    order = msgspec.structs.replace(ORDER, amount=Money("EUR", 125000), payee=EVERY_FORM)
    body = json.loads(plugin("tokenio").create(order).body or b"")
    carried = {f"payee.{name}": getattr(EVERY_FORM, name) for name in EVERY_FORM.__struct_fields__}
    carried |= {"reference": order.reference, "amount": "1250.00", "amount.currency": "EUR"}
    carried |= {"description": order.description}
    places = oracle_of("tokenio").operations["create_payout"]["carries"]
    assert {name: at(body, place.removeprefix("body ")) for name, place in places.items()} == carried


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/payee", {"payee": PayeeAccount(name="Test")}),
        ("/payee", {"payee": PayeeAccount(name="Test", account_number="31926819")}),
        ("/payee", {"payee": PayeeAccount(name="Test", sort_code="601613")}),
        ("/payee/verification_id", {"amount": Money("EUR", 1), "payee": PayeeAccount(name="Test", iban=IBAN)}),
        ("/description", {"description": "short"}),
        ("/description", {"description": "aaaaaaaaaa"}),
        ("/description", {"description": "a - a & a / a . a a"}),
        ("/description", {"description": "INV 2026_0415"}),
        ("/description", {"description": "Größe 2026"}),
        ("/description", {"description": "INV 2026-0415\n"}),
        ("/description", {"description": "INV 2026-0415 Tests"}),
        ("/description", {"description": "A1" * 70 + "A", "payee": PayeeAccount(name="Test", iban=IBAN)}),
    ],
)
def test_what_no_bank_scheme_carries_is_refused_by_field(pointer: str, changes: dict[str, Any]) -> None:
    with pytest.raises(FieldRefused) as refused:
        plugin("tokenio").create(msgspec.structs.replace(ORDER, **changes))
    assert refused.value.pointer == pointer


@pytest.mark.parametrize(
    ("description", "iban"), [("INV 2026-0415 Test", None), ("abcdeF", None), ("A1" * 70, IBAN), ("a.b-c&d/e f", IBAN)]
)
def test_what_a_bank_scheme_carries_is_sent_as_it_is(description: str, iban: str | None) -> None:
    payee = PayeeAccount(name="Test", iban=iban) if iban else ORDER.payee
    call = plugin("tokenio").create(msgspec.structs.replace(ORDER, description=description, payee=payee))
    assert json.loads(call.body or b"")["initiation"]["description"] == description


@settings(max_examples=30, deadline=None)
@given(strategies.TEXT, strategies.TEXT)
def test_a_token_io_reference_depends_on_tenant_and_reference_alone(tenant: str, reference: str) -> None:
    made = plugin("tokenio").reference(tenant, reference)
    assert made == plugin("tokenio").reference(tenant, reference)
    assert len(made) == 18
    others = {(tenant, reference + "x"), (tenant + "x", reference), (tenant + reference[0], reference[1:] or "x")}
    assert made not in {plugin("tokenio").reference(*other) for other in others}


def test_a_reference_is_the_same_for_ever() -> None:
    """Written down once: with another value a lost journal would pay twice."""
    assert plugin("tokenio").reference("default", "invoice-1") == "QR6HQGE4S4PHIBDL7H"


def test_other_providers_keep_the_callers_own_reference() -> None:
    for provider in ("firstpromoter", "heldsway", "ledger"):
        assert plugin(provider).reference("default", "invoice-1") == "invoice-1"


def test_one_call_moves_money_and_no_other() -> None:
    moving = [
        (provider, capability)
        for provider in PROVIDERS
        for capability, (effect, _) in plugin(provider).offers().items()
        if effect is Effect.CREATE
    ]
    assert moving == [("tokenio", "create")]


def test_an_order_is_looked_up_by_its_own_reference_among_as_many_as_possible() -> None:
    query = plugin("tokenio").find(ORDER).query
    assert sorted(query) == [("limit", "200"), ("refIds", ORDER.reference)]
