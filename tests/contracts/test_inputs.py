"""What callers give is text, an account, a mark: spelt exactly, or refused before any plugin hears of it."""

from __future__ import annotations

import json

import msgspec
import pytest

from contracts.mapping import MARK_FIELDS
from providers.sdk import FieldRefused, Mark, PayeeAccount
from tests.contracts.plugins import plugin


def test_an_empty_reference_is_a_missing_one() -> None:
    with pytest.raises(FieldRefused, match=r"^/reference: "):
        plugin("ledger").complete("po_test_0001", Mark(reference=""))


@pytest.mark.parametrize("spelt", ["", "a\n", "\na", "a\nb", "a\x00", "\x7f", "a\r", "x" * 256])
def test_a_text_with_a_control_character_or_of_a_wrong_length_is_no_text(spelt: str) -> None:
    for field in MARK_FIELDS:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps({field: spelt}), type=Mark)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps({"name": spelt}), type=PayeeAccount)


@pytest.mark.parametrize(
    ("field", "good"),
    [
        ("iban", "DE89370400440532013000"),
        ("account_number", "31926819"),
        ("sort_code", "601613"),
        ("bic", "TESTGB2L"),
        ("bic", "TESTDEFFXXX"),
        ("verification_id", "test-verification-1"),
    ],
)
def test_an_account_is_spelt_exactly(field: str, good: str) -> None:
    read = msgspec.json.decode(json.dumps({"name": "Test", field: good}), type=PayeeAccount)
    assert getattr(read, field) == good
    for wrong in (good + "\n", "\n" + good, good + "\x00", "", good * 20):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps({"name": "Test", field: wrong}), type=PayeeAccount)


def test_a_field_that_no_mark_knows_is_refused() -> None:
    for kind, body in ((Mark, {"comment": "x"}), (PayeeAccount, {"name": "Test", "swift": "x"})):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(body), type=kind)
