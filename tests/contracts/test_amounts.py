"""Amounts in every encoding that the providers use are read exactly, or refused; never rounded, never a float."""

from __future__ import annotations

from typing import Any

import pytest

from providers.sdk import ListQuery, Malformed, Money
from tests.contracts.plugins import NATIVE, build, plugin, reply

# One payout of each provider, with a place for the amount as it is spelt on the wire.
LEDGER = b"""{"id": "po_test_0001", "affiliate_id": "aff", "currency": "CCY", "amount_cents": AMOUNT,
 "gross_amount_cents": "1", "reversal_amount_cents": "1", "recovery_owed_cents": "1", "commission_count": 1,
 "period_start": "a", "period_end": "b", "status": "approved", "approved_at": null, "approved_by": null,
 "paid_at": null, "external_ref": null, "created_at": "c"}"""
BODIES = {
    "firstpromoter": b'[{"id": 1, "status": "pending", "unit": "cash", "amount": AMOUNT}]',
    "heldsway": b'{"data": {"id": 42, "status": "pending", "amount": AMOUNT}}',
    "ledger": b'{"data": [%s]}' % LEDGER,
    "tokenio": b"""{"payout": {"id": "po:Test1:Sim1", "status": "INITIATION_PENDING", "createdDateTime": "a",
 "updatedDateTime": "b", "initiation": {"refId": "r", "amount": {"value": AMOUNT, "currency": "CCY"}}}}""",
}
READ_BY = {"firstpromoter": "list_payouts", "heldsway": "get", "ledger": "list_payouts", "tokenio": "get"}

EXACT = [
    ("heldsway", "1250.00", "USD", 125000),
    ("heldsway", "80.5", "USD", 8050),
    ("heldsway", "19.99", "USD", 1999),
    ("heldsway", "0.07", "EUR", 7),
    ("heldsway", "0", "EUR", 0),
    ("heldsway", "-5.25", "USD", -525),
    ("heldsway", "50", "JPY", 50),
    ("heldsway", "50.00", "JPY", 50),
    ("heldsway", "1.234", "KWD", 1234),
    ("heldsway", "1.2", "KWD", 1200),
    ("heldsway", "9007199254740993.01", "USD", 900719925474099301),  # no double holds it
    ("heldsway", '"10.00"', "USD", 1000),  # sibling calls show numbers as text
    ("tokenio", '"10.23"', "GBP", 1023),
    ("tokenio", '"7.5"', "GBP", 750),
    ("tokenio", '"10.2300"', "GBP", 1023),
    ("tokenio", '"1250"', "EUR", 125000),
    ("tokenio", '"1000"', "JPY", 1000),
    ("tokenio", '"1.234"', "KWD", 1234),
    ("tokenio", '"1.2345"', "CLF", 12345),
    ("ledger", '"4250"', "EUR", 4250),
    ("ledger", '"0"', "USD", 0),
    ("ledger", '"-4250"', "USD", -4250),
    ("ledger", '"4250"', "JPY", 4250),
    ("ledger", '"4250"', "KWD", 4250),
    ("ledger", '"900719925474099301"', "USD", 900719925474099301),
    ("firstpromoter", "3000", "USD", 3000),
    ("firstpromoter", "3000.0", "USD", 3000),
    ("firstpromoter", "3000", "JPY", 3000),
    ("firstpromoter", "3000", "KWD", 3000),
    ("firstpromoter", "900719925474099301", "USD", 900719925474099301),
]
REFUSED = [
    ("heldsway", spelt, currency)
    for spelt, currency in (
        ("19.999", "USD"),
        ("50.5", "JPY"),
        ("1.2345", "KWD"),
        ("1e3", "USD"),
        ("1E3", "USD"),
        ("1.25e3", "USD"),
        ("1" * 40, "USD"),
        ("0." + "1" * 40, "USD"),
        ("true", "USD"),
        ("[1]", "USD"),
        ('"ten"', "USD"),
        ('""', "USD"),
        ('"1\\u0030"', "USD"),
        ("NaN", "USD"),
        ("Infinity", "USD"),
    )
]
REFUSED += [
    ("tokenio", f'"{spelt}"', "GBP")
    for spelt in (
        "10.234",
        "1e3",
        "+1",
        " 1",
        "1 ",
        "1.",
        ".5",
        "1,000.00",
        "1_0",
        "NaN",
        "Infinity",
        "0x10",
        "\u0661",
        "",
        "1\\n",
    )
]
REFUSED += [
    ("tokenio", "10.23", "GBP"),
    ("tokenio", '"10.5"', "JPY"),
    ("tokenio", '"1"', "ZZZ"),
    ("tokenio", '"1"', "gbp"),
]
REFUSED += [
    ("ledger", f'"{spelt}"', "EUR")
    for spelt in ("42.50", "1e3", "+1", "", " 1", "1\\n", "9" * 19, "1,000", "\u0661", "--1")
]
REFUSED += [("ledger", "4250", "EUR"), ("ledger", "null", "EUR"), ("ledger", '"1"', "XXX"), ("ledger", '"1"', "eur")]
REFUSED += [
    ("firstpromoter", spelt, "USD") for spelt in ("30.5", "1e3", '"3000"', "true", "9" * 19, "9" * 5000, "[1]", "NaN")
]


def read(provider: str, spelt: str, currency: str) -> Any:
    made = plugin(provider, currency)
    body = BODIES[provider].replace(b"AMOUNT", spelt.encode()).replace(b"CCY", currency.encode())
    result = build(made, READ_BY[provider], id=NATIVE[provider]).reads(reply(body))
    return result.items[0] if READ_BY[provider] == "list_payouts" else result


@pytest.mark.parametrize(("provider", "spelt", "currency", "units"), EXACT)
def test_an_amount_is_read_exactly(provider: str, spelt: str, currency: str, units: int) -> None:
    assert read(provider, spelt, currency).amount == Money(currency, units)


@pytest.mark.parametrize(("provider", "spelt", "currency"), REFUSED)
def test_an_amount_that_is_no_exact_one_is_refused(provider: str, spelt: str, currency: str) -> None:
    with pytest.raises(Malformed):
        read(provider, spelt, currency)


def test_an_absent_amount_stays_absent() -> None:
    for provider in ("firstpromoter", "heldsway"):
        assert read(provider, "null", "USD").amount is None


def test_what_is_no_cash_is_a_count_and_no_money() -> None:
    for unit in ("points", "credits", "free_months", "discount_per", "CASH", "test_unit"):
        body = [{"id": 1, "status": "completed", "unit": unit, "amount": 12}]
        (payout,) = plugin("firstpromoter").list_payouts(ListQuery()).reads(reply(body)).items
        assert (payout.amount, payout.extensions) == (None, {"unit": unit, "units": 12})
    (payout,) = (
        plugin("firstpromoter")
        .list_payouts(ListQuery())
        .reads(reply([{"id": 1, "status": "completed", "amount": 12}]))
        .items
    )
    assert payout.amount is None


def test_figures_and_settings_are_in_the_currency_of_the_connection() -> None:
    figures = {"total_pending_count": 5, "failed_count": 1, "pending_requests_count": 2}
    body = {"data": {**figures, "total_pending_amount": 1250, "completed_this_month": 3400}}
    read_ = plugin("heldsway", "JPY").stats().reads(reply(body))
    assert (read_.pending_amount, read_.completed_this_month) == (Money("JPY", 1250), Money("JPY", 3400))
