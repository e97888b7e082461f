"""The tables of each plugin equal the oracle's: capabilities, effects, statuses, refusals, ids."""

from __future__ import annotations

import inspect

import pytest

from contracts.document import Document
from contracts.mapping import Mapping
from providers.sdk import (
    CAPABILITIES,
    FINAL,
    TARGETS,
    NotOffered,
    PayoutStatus,
    Provider,
    RefusalKind,
    RequestStatus,
)
from tests.contracts.plugins import build, login_call, plugin, plugin_class, reply


def test_the_plugin_is_registered_under_its_own_name(provider: str) -> None:
    assert plugin_class(provider).name == provider
    assert issubclass(plugin_class(provider), Provider)


def test_capabilities_effects_and_operations_are_the_oracles(oracle: Mapping) -> None:
    offered = plugin_class(oracle.provider).offers()
    expected = {each: (oracle.operations[id]["effect"], id) for each, id in oracle.unified()}
    assert {each: (str(effect), id) for each, (effect, id) in offered.items()} == expected


def test_each_call_says_what_its_capability_says(oracle: Mapping, document: Document) -> None:
    for capability, id in oracle.unified():
        call = build(plugin(oracle.provider), capability)
        assert (call.operation, str(call.effect)) == (id, oracle.operations[id]["effect"])
        assert call.success == set(oracle.operations[id]["success"])
        assert call.method == document.operations[id].method


def test_what_a_provider_does_not_document_is_not_offered(oracle: Mapping) -> None:
    made = plugin(oracle.provider)
    lacking = [name for name in CAPABILITIES if name not in dict(oracle.unified())]
    for name in lacking:
        with pytest.raises(NotOffered) as refused:
            build(made, name, id="42")
        assert refused.value.capability == name


def test_every_capability_is_a_method_that_the_base_refuses() -> None:
    methods = {name for name, _ in inspect.getmembers(Provider, inspect.isfunction)}
    assert set(CAPABILITIES) <= methods
    assert len(CAPABILITIES) == len(set(CAPABILITIES))


def test_the_status_table_is_the_oracles_and_total(oracle: Mapping) -> None:
    cls = plugin_class(oracle.provider)
    assert {word: str(status) for word, status in cls.statuses.items()} == oracle.raw["statuses"]
    final = {word for word, status in cls.statuses.items() if status in FINAL}
    assert final == set(oracle.raw["final"])


def test_the_table_of_request_statuses_is_the_oracles() -> None:
    table: dict[str, RequestStatus] = plugin_class("heldsway").request_statuses  # type: ignore[attr-defined]
    assert {word: str(status) for word, status in table.items()} == Mapping.load("heldsway").raw["request_statuses"]


def test_a_word_that_the_table_lacks_is_unknown(oracle: Mapping) -> None:
    made = plugin(oracle.provider)
    for word in oracle.raw["statuses"]:
        for other in (word.swapcase(), f"{word} ", f" {word}", word[:-1], f"{word}_by_bank", "", "unknown", "\x00"):
            assert made.status(other) is PayoutStatus.UNKNOWN


def test_marks_lead_where_the_oracle_says(oracle: Mapping) -> None:
    statuses = oracle.raw["statuses"]
    for mark, rule in oracle.raw["transitions"].items():
        assert TARGETS[mark] == statuses[rule["to"]]
    for rule in oracle.operations.values():
        for mark, word in rule.get("sets", {}).items():
            assert TARGETS[mark] == statuses[word]
        if "status" in rule.get("proof", {}) and "sets" not in rule:
            assert TARGETS[rule["unified"]] == statuses[rule["proof"]["status"]["equals"]]


def test_what_a_plugin_says_of_itself_is_what_the_oracle_says(oracle: Mapping) -> None:
    cls, raw = plugin_class(oracle.provider), oracle.raw
    listed = oracle.operations["list_payouts"].get("only_statuses", list(raw["statuses"]))
    assert cls.unlisted == {status for word, status in cls.statuses.items() if word not in listed}
    assert cls.names_currency == ("at" in raw["money"]["currency"])
    assert cls.keeps_references == ("reference" in raw["payout"])
    assert cls.reduced_get == ("lacks" in oracle.operations.get("get_payout", {}))


def test_every_status_is_refused_as_the_oracle_says_and_the_rest_is_unclear(oracle: Mapping) -> None:
    made = plugin(oracle.provider)
    calls = [(id, build(made, capability)) for capability, id in oracle.unified()]
    if oracle.provider == "heldsway":
        calls.append(("create_access_token", login_call()))
    assert {id for id, _ in calls} == oracle.operations.keys()
    for id, call in calls:
        errors = oracle.operations[id]["errors"]
        for status in (*range(100, 200), *range(201, 600)):
            expected = errors.get(str(status), RefusalKind.UNCLEAR)
            refusal = made.refusal(call, reply(b"", status))
            assert (refusal.kind, refusal.status) == (expected, status), (id, status)
            assert status not in call.success


def test_ids_are_the_oracles_pattern(oracle: Mapping) -> None:
    for pattern in oracle.raw["ids"].values():
        assert f"^{plugin_class(oracle.provider).ids.pattern}$" == pattern
