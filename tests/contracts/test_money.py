"""Money goes out and comes back unchanged, in every currency of ISO 4217, and never through a float."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iso4217 import raw_table

from providers.sdk import Malformed, Money, UnknownCurrency, exponent

# By hand, from ISO 4217: every currency whose exponent is not 2.
OTHERS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
EXPONENTS = {code: digits for digits, codes in OTHERS.items() for code in codes.split()}
CURRENCIES = sorted(code for code, row in raw_table.items() if str(row["CcyMnrUnts"]).isdigit())
NO_MONEY = ("XXX", "XTS", "XAU", "XDR", "", "usd", "EURO", "US", "ZZZ", "EU R", "€", "EUR\n")
LARGEST = 10**15  # the largest amount that the API takes
SPELLINGS = (
    "", "-", ".", ".5", "5.", "+1", "--1", " 1", "1 ", "1\n", "01", "00", "1e3", "1E3", "1e-3", "1.0e0", "0x10",
    "1_000", "1,000", "1.000,00", "NaN", "nan", "Infinity", "-inf", "\u0661", "½", "1.2.3", "1.0000000", "1" * 17,
    "null", "true",
)  # fmt: skip


def test_exponents_are_those_of_iso_4217() -> None:
    assert len(CURRENCIES) > 150
    assert {code: exponent(code) for code in CURRENCIES} == {code: EXPONENTS.get(code, 2) for code in CURRENCIES}


@pytest.mark.parametrize("code", NO_MONEY)
def test_what_is_no_currency_has_no_exponent_and_no_amount(code: str) -> None:
    with pytest.raises(UnknownCurrency):
        exponent(code)
    for read in (Money.from_decimal, Money.from_minor_text):
        with pytest.raises(Malformed):
            read("1", code)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(CURRENCIES), st.integers(-LARGEST, LARGEST))
def test_money_goes_out_and_comes_back_unchanged(currency: str, units: int) -> None:
    money = Money(currency, units)
    assert Money.from_decimal(money.decimal(), currency) == money
    assert Money.from_minor_text(str(units), currency) == money
    assert msgspec.json.decode(msgspec.json.encode(money), type=Money) == money


@pytest.mark.parametrize("units", [0, 1, -1, 9, 10, 99, 100, 999, 1000, LARGEST, -LARGEST])
def test_the_edges_go_out_and_come_back_in_every_currency(units: int) -> None:
    for currency in CURRENCIES:
        spelt = Money(currency, units).decimal()
        assert Money.from_decimal(spelt, currency) == Money(currency, units)
        assert len(spelt.partition(".")[2]) == exponent(currency)


def test_a_finer_amount_than_the_currency_allows_is_refused_and_never_rounded() -> None:
    for currency in CURRENCIES:
        digits = exponent(currency)
        assert Money.from_decimal("1." + "0" * 6, currency).minor_units == 10**digits
        with pytest.raises(Malformed):
            Money.from_decimal("1." + "0" * digits + "1", currency)


@pytest.mark.parametrize("spelt", SPELLINGS)
def test_only_plain_decimal_numbers_are_amounts(spelt: str) -> None:
    for currency in ("USD", "JPY", "KWD"):
        with pytest.raises(Malformed):
            Money.from_decimal(spelt, currency)


@pytest.mark.parametrize("spelt", [*SPELLINGS[:-6], "1.0", "1.5", "1" * 19])
def test_only_whole_numbers_are_minor_units(spelt: str) -> None:
    with pytest.raises(Malformed):
        Money.from_minor_text(spelt, "USD")


@settings(max_examples=200, deadline=None)
@given(st.floats())
def test_no_float_is_ever_rounded_into_an_amount(number: float) -> None:
    try:
        read = Money.from_decimal(repr(number), "USD")
    except Malformed:
        return
    whole, _, fraction = repr(number).lstrip("-").partition(".")
    assert abs(read.minor_units) == int(whole) * 100 + int(fraction[:2].ljust(2, "0"))
    assert not fraction[2:].strip("0")


def test_a_float_is_no_number_of_minor_units() -> None:
    for body in (b'{"currency":"USD","minor_units":10.5}', b'{"currency":"USD","minor_units":1e3}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(body, type=Money)
