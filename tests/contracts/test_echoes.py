"""An answer that speaks of another payout, state, reference or amount than was asked for is never a success."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from providers.sdk import Malformed, Mark, Mismatch, Money, Payout, PayoutStatus, Provider
from tests.contracts.oracle import PROVIDERS, at, oracle_of
from tests.contracts.plugins import ORDER, SOME_SETTINGS, Asking, asking, documented, examples, order_of, plugin, reply

# Another value for each field that a proof names.
OTHERS: dict[str, list[Any]] = {
    "id": ["po_test_9999", "po:Other1:Sim1", 43, 9999],
    "status": ["pending", "approved", "processing", "completed", "failed", "cancelled", "paid", "test_word", ""],
    "reference": ["test-other-reference", ""],
    "amount": ["10.24", "1023", "0.00", "-10.23"],
    "amount.currency": ["USD", "JPY"],
    "payee.iban": ["GB29NWBK60161331926819"],
    "payee.account_number": ["31926818"],
    "payee.sort_code": ["601614"],
}
# A single absent field may be the absence of an echo: malformed. Whoever leaves it out proves nothing either way.
PROOFS = [
    pytest.param(provider, operation, example, field, id=f"{provider}-{operation}-{example.name}-{field}")
    for provider in PROVIDERS
    for operation, rule in oracle_of(provider).operations.items()
    for example in examples(documented(provider))
    if example.operation == operation
    for field in rule.get("proof", {})
]


@pytest.mark.parametrize(("provider", "operation", "example", "field"), PROOFS)
def test_whatever_a_proof_names_must_be_what_was_asked(provider: str, operation: str, example: Any, field: str) -> None:
    oracle, made = oracle_of(provider), plugin(provider)
    rule = oracle.operations[operation]
    for each in asking(made, operation, example.body):
        changed = list(_changed(rule, field, example.body))
        unproven = [body for body in changed if not oracle.proves(operation, at(body, rule["payout_at"]), each.asked)]
        assert len(unproven) >= 1
        for body in unproven:
            _must_refuse(each, body)
        assert isinstance(each.call.reads(reply(example.body)), Payout)


def _must_refuse(asking: Asking, body: Any) -> None:
    with pytest.raises((Mismatch, Malformed)):
        raise AssertionError(f"believed: {asking.call.reads(reply(body))}")


def _changed(rule: Any, field: str, body: Any) -> Any:
    """The body with each other value at a proof's place, with null there, and without it."""
    entry = rule["proof"][field]
    (pointer,) = entry if field == "not_null" else [entry if isinstance(entry, str) else entry["at"]]
    values = [None, ""] if field == "not_null" else OTHERS[field]
    for value in [*values, None, ABSENT]:
        spoilt = copy.deepcopy(body)
        *way, last = (rule["payout_at"] + pointer).split("/")[1:]
        target = spoilt
        for part in way:
            target = target.get(part) or {}
        if value is ABSENT:
            target.pop(last, None)
        else:
            target[last] = value
        yield spoilt


ABSENT = object()


def body_of(provider: str, operation: str, name: str) -> Any:
    found = {example.name: example for example in examples(documented(provider)) if example.operation == operation}
    return copy.deepcopy(found[name].body)


def test_the_ledger_proves_a_payment_by_its_reference_and_date_and_not_by_a_word() -> None:
    body = body_of("ledger", "mark_payout_paid", "paid")
    call = plugin("ledger").complete("po_test_0001", Mark(reference="test-paypal-txn-0001"))
    read = call.reads(reply({**body, "status": "settled"}))
    assert (read and read.status, read and read.provider_status) == (PayoutStatus.UNKNOWN, "settled")
    for wrong, error in (
        ({"id": "po_test_0002"}, Mismatch),
        ({"external_ref": "test-other"}, Mismatch),
        ({"external_ref": None}, Mismatch),
        ({"paid_at": None}, Malformed),
        ({"paid_at": ""}, Malformed),
    ):
        with pytest.raises(error):
            call.reads(reply({**body, **wrong}))


def test_an_approval_is_proven_by_its_state() -> None:
    body = body_of("ledger", "approve_payout", "approved")
    for status in ("pending", "recovery_owed", "paid", "APPROVED", "test_word"):
        with pytest.raises(Mismatch, match="status"):
            plugin("ledger").approve("po_test_0001", Mark()).reads(reply({**body, "status": status}))


def test_firstpromoter_must_show_the_state_that_was_set() -> None:
    body = body_of("firstpromoter", "update_payout", "completed")
    made = plugin("firstpromoter")
    read = made.complete("2710287", Mark()).reads(reply(body))
    assert read and read.status is PayoutStatus.COMPLETED
    for wrong in ({"id": 2710288}, {"status": "pending"}, {"status": "failed"}, {"status": "Completed"}):
        with pytest.raises(Mismatch):
            made.complete("2710287", Mark()).reads(reply({**body, **wrong}))
    for mark in (made.process, made.reopen):
        with pytest.raises(Mismatch, match="status"):
            mark("2710287", Mark()).reads(reply(body))


@pytest.mark.parametrize("provider", ["heldsway", "ledger", "tokenio"])
def test_a_read_of_one_payout_is_never_answered_with_another(provider: str) -> None:
    other = {"heldsway": "43", "ledger": "po_test_9999", "tokenio": "po:Other1:Sim1"}[provider]
    for example in examples(documented(provider)):
        if example.operation == "get_payout":
            with pytest.raises(Mismatch, match="id"):
                plugin(provider).get(other).reads(reply(example.body))


def test_settings_that_come_back_otherwise_are_a_mismatch() -> None:
    sent = {"payout_frequency": "monthly", "payout_day": 1, "min_payout": 50}
    flags = {"allow_early_requests": True, "auto_create_payouts": True}
    call = plugin("heldsway").put_settings(SOME_SETTINGS)
    assert call.reads(reply({"data": {**sent, **flags}})) == SOME_SETTINGS
    for wrong in (
        {"payout_frequency": "weekly"},
        {"payout_day": 2},
        {"min_payout": 50.01},
        {"auto_create_payouts": False},
    ):
        with pytest.raises(Mismatch):
            call.reads(reply({"data": {**sent, **flags, **wrong}}))


def _orders(made: Provider) -> list[tuple[Any, Any]]:
    """Each documented answer to an order as an item of a look-up, with the order that it echoes."""
    found = [
        example.body["payout"] for example in examples(documented("tokenio")) if example.operation == "create_payout"
    ]
    return [(native, made.find(order_of(native["initiation"]))) for native in found]


def test_a_look_up_finds_the_order_that_was_sent_and_no_other() -> None:
    for native, call in _orders(plugin("tokenio")):
        assert call.reads(reply({"payouts": []})).items == []
        (found,) = call.reads(reply({"payouts": [native]})).items
        assert found.id == native["id"]
        assert len(call.reads(reply({"payouts": [native, native]})).items) == 2
        for field, wrong in (
            ("refId", "test-other"),
            ("amount", {"value": "1.00", "currency": native["initiation"]["amount"]["currency"]}),
            ("amount", {**native["initiation"]["amount"], "currency": "CHF"}),
            ("creditor", {"iban": "GB29NWBK60161331926819"}),
            ("creditor", {**native["initiation"]["creditor"], "accountNumber": "31926818"}),
            ("creditor", {**native["initiation"]["creditor"], "sortCode": "601614"}),
        ):
            spoilt = {**native, "initiation": {**native["initiation"], field: wrong}}
            for items in ([spoilt], [native, spoilt]):
                with pytest.raises(Mismatch):
                    call.reads(reply({"payouts": items}))


def test_an_answer_that_echoes_nothing_is_no_proof_and_no_absence() -> None:
    for native, call in _orders(plugin("tokenio")):
        bare = {name: value for name, value in native.items() if name != "initiation"}
        bodies: list[dict[str, Any]] = [{"payouts": [bare]}, {"payouts": None}, {"paging": {}}, {}]
        for body in bodies:
            with pytest.raises(Malformed):
                call.reads(reply(body))
        for lacking in ("refId", "amount"):
            initiation = {name: value for name, value in native["initiation"].items() if name != lacking}
            with pytest.raises(Malformed):
                call.reads(reply({"payouts": [{**bare, "initiation": initiation}]}))


def test_the_same_amount_in_another_spelling_is_the_same_amount() -> None:
    body = body_of("tokenio", "create_payout", "pending")
    call = plugin("tokenio").create(ORDER)
    for spelt in ("10.23", "10.230", "10.2300"):
        body["payout"]["initiation"]["amount"]["value"] = spelt
        assert call.reads(reply(body)).amount == Money("GBP", 1023)


def test_a_mismatch_names_fields_and_no_values() -> None:
    body = body_of("tokenio", "create_payout", "pending")
    order = msgspec.structs.replace(ORDER, amount=Money("USD", 7), reference="test-secret-ref")
    with pytest.raises(Mismatch) as wrong:
        plugin("tokenio").create(order).reads(reply(body))
    assert str(wrong.value) == "the reply contradicts the request in: reference, amount"
