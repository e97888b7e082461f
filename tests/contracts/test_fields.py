"""What a caller gives is carried where the oracle says, or refused by its name before anything is sent."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import msgspec
import pytest

from providers.sdk import TARGETS, Account, FieldRefused, Mark, NotOffered, PayeeAccount, Provider
from tests.contracts.oracle import MARK_FIELDS, Oracle, at, oracle_of
from tests.contracts.plugins import ORDER, SOME_SETTINGS, build, plugin, plugin_class

HOSTILE_IDS = (
    "",
    ".",
    "..",
    "../42",
    "42/../43",
    "42/complete",
    "42%2f43",
    "%2e%2e",
    "42?status=completed",
    "42#",
    "42\n",
    "42\r\nX: y",
    "42\x00",
    " 42",
    "\u0664\u0662",
    "42;",
    "4 2",
    "a.b",
    "é",
    "😀",
    "0" * 1000,
    "a" * 1000,
    "po:a/b:c",
    "po:..:c",
    "po:a:b:c",
    "stats?",
    "-42/",
)


def test_hostile_ids_are_refused_before_a_url_is_built(oracle: Oracle) -> None:
    made, allowed = plugin(oracle.provider), re.compile(oracle.raw["ids"]["payout"][1:-1])
    others = [each for each in ("42", "po_test_0001", "po:Test1:Sim1") if not allowed.fullmatch(each)]
    by_id = [each for each, _ in oracle.unified() if "id" in inspect.signature(getattr(made, each)).parameters]
    assert len(others) >= 1
    assert len(by_id) >= 1
    for capability in by_id:
        for id in (*HOSTILE_IDS, *others):
            if not (allowed.fullmatch(id)):
                assert _refused(made, capability, id) == "/id", (capability, id)


def test_hostile_ids_of_a_bulk_call_are_named_by_their_place() -> None:
    made = plugin("heldsway")
    for capability in ("bulk_process", "bulk_complete"):
        for id in HOSTILE_IDS:
            with pytest.raises(FieldRefused) as refused:
                getattr(made, capability)(["42", id], Mark())
            assert refused.value.pointer == "/ids/1"


def _refused(made: Provider, capability: str, id: str) -> str:
    # Not `build`: it would take another id in place of an empty one.
    arguments: list[Any] = [id] if capability in ("get", "statement") else [id, Mark(reference="test-reference-1")]
    with pytest.raises(FieldRefused) as refused:
        getattr(made, capability)(*arguments)
    return refused.value.pointer


def test_each_mark_carries_what_the_oracle_carries_and_no_more(oracle: Oracle) -> None:
    made = plugin(oracle.provider)
    full = {"reference": "test-reference-1", "notes": "test notes", "reason": "test reason"}
    for capability, id in oracle.unified():
        rule = oracle.operations[id]
        call = build(made, capability, Mark(**full))
        mine = {**full, "description": ORDER.description}
        expected = {name for name in rule["carries"] if name in mine} if rule["effect"] != "read" else set()
        assert set(call.carried) == expected, id
        for name in MARK_FIELDS if capability not in ("create", "find") else ():
            shown = full[name].encode() in (call.body or b"") or full[name] in dict(call.query).values()
            assert shown == (name in expected), (id, name)


def test_what_is_carried_stands_where_the_oracle_says() -> None:
    full = {"reference": "test-reference-1", "notes": "test notes", "reason": "test reason"}
    for provider in ("heldsway", "ledger"):
        oracle, made = oracle_of(provider), plugin(provider)
        for capability, id in oracle.unified():
            call = build(made, capability, Mark(**full))
            for name in call.carried:
                place = oracle.operations[id]["carries"][name].removeprefix("body ")
                assert at(_json(call.body), place) == full[name]
                assert (call.reference == full["reference"]) == ("reference" in call.carried)


def test_a_mark_takes_along_only_what_was_given() -> None:
    call = plugin("heldsway").complete("42", Mark(notes="test notes"))
    assert (_json(call.body), call.carried, call.reference) == ({"notes": "test notes"}, ("notes",), None)
    assert plugin("heldsway").complete("42", Mark()).body is None


def test_what_a_mark_requires_is_refused_by_name_when_it_is_missing(oracle: Oracle) -> None:
    made = plugin(oracle.provider)
    for capability, id in oracle.unified():
        for name in MARK_FIELDS if capability in TARGETS else ():
            mark = Mark(**{each: "test" for each in MARK_FIELDS if each != name})
            if name in oracle.operations[id]["requires"]:
                with pytest.raises(FieldRefused) as refused:
                    build(made, capability, mark)
                assert refused.value.pointer == f"/{name}"
            else:
                assert name not in build(made, capability, mark).carried


def test_an_empty_reference_is_a_missing_one() -> None:
    with pytest.raises(FieldRefused, match=r"^/reference: "):
        plugin("ledger").complete("po_test_0001", Mark(reference=""))


def test_a_bulk_call_without_ids_is_refused() -> None:
    for capability in ("bulk_process", "bulk_complete"):
        with pytest.raises(FieldRefused, match=r"^/ids: "):
            getattr(plugin("heldsway"), capability)([], Mark())


def test_a_bulk_call_is_not_offered_until_its_body_is_known() -> None:
    made = plugin_class("heldsway")(Account("USD"))
    with pytest.raises(NotOffered, match="bulk_complete"):
        made.bulk_complete(["42"], Mark())


def test_settings_in_another_currency_or_day_are_refused_by_name() -> None:
    made = plugin("heldsway", "EUR")
    with pytest.raises(FieldRefused, match=r"^/minimum/currency: .*EUR"):
        made.put_settings(SOME_SETTINGS)
    for day in (0, 32, -1):
        with pytest.raises(FieldRefused, match=r"^/day: "):
            plugin("heldsway").put_settings(msgspec.structs.replace(SOME_SETTINGS, day=day))


def _json(body: bytes | None) -> Any:
    return json.loads(body or b"{}")


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
