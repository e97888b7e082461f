"""The oracles are well-formed, and each agrees with its contract."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from contracts.document import Document, Operation
from tests.contracts.oracle import FOLDER, Oracle, oracle_of, pointers
from tests.contracts.plugins import documented


def test_an_oracle_meets_the_schema_of_oracles(oracle: Oracle, provider: str) -> None:
    schema = json.loads((FOLDER / "mapping.schema.json").read_text("utf-8"))
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert [(error.instance_path, error.message) for error in validator.iter_errors(oracle.raw)] == []
    assert oracle.raw["provider"] == provider


def test_an_oracle_speaks_of_exactly_the_documented_operations(oracle: Oracle, document: Document) -> None:
    assert oracle.operations.keys() == document.operations.keys()
    capabilities = [each for each, _ in oracle.unified()]
    assert len(capabilities) == len(set(capabilities))


def test_errors_are_exactly_the_documented_statuses(oracle: Oracle, document: Document) -> None:
    for id, rule in oracle.operations.items():
        documented_ones = document.operations[id].responses.keys()
        assert rule["errors"].keys() == {status for status in documented_ones if not status.startswith("2")}, id
        assert {str(status) for status in rule["success"]} == documented_ones - rule["errors"].keys(), id


def test_effects_fit_the_methods(oracle: Oracle, document: Document) -> None:
    for id, rule in oracle.operations.items():
        assert (rule["effect"] == "read") == (document.operations[id].is_read or document.operations[id].login), id
        refuses_a_repeat = rule["effect"] == "guarded"
        assert refuses_a_repeat <= ("409" in rule["errors"]), id


def test_statuses_are_total_over_every_documented_word(oracle: Oracle, document: Document) -> None:
    words = _words(_at(document, _payout_schema(oracle, document), oracle.raw["payout"]["status"]))
    assert set(oracle.raw["statuses"]) == words
    assert set(oracle.raw["final"]) <= words
    for rule in oracle.raw["transitions"].values():
        assert {*rule["from"], rule["to"]} <= words
    for rule in oracle.operations.values():
        assert {*rule.get("sets", {}).values(), *rule.get("only_statuses", ())} <= words


def test_request_statuses_are_total_too() -> None:
    document, oracle = documented("heldsway"), oracle_of("heldsway")
    words = _words(document.raw["components"]["schemas"]["PayoutRequestStatus"])
    assert set(oracle.raw["request_statuses"]) == words


def test_every_pointer_leads_to_a_documented_field(oracle: Oracle, document: Document) -> None:
    payout = _payout_schema(oracle, document)
    for pointer in [*_leaves(oracle.raw["payout"]), *oracle.raw["extensions"].values(), *oracle.raw["secrets"]]:
        assert _at(document, payout, pointer), pointer
    for id, rule in oracle.operations.items():
        for key in ("payout_at", "items_at", "data_at"):
            if key in rule:
                assert _at(document, _success_schema(document.operations[id]), rule[key]), (id, key)
        for pointer in _proof_pointers(rule.get("proof", {})):
            assert _at(document, payout, pointer), (id, pointer)


def test_every_pointer_into_other_answers_leads_to_a_documented_field() -> None:
    document, oracle = documented("heldsway"), oracle_of("heldsway")
    schemas = document.raw["components"]["schemas"]
    named = {
        "figures": "PayoutStats",
        "settings": "PayoutSettings",
        "token": "Token",
        "payout_request": "PayoutRequest",
    }
    for section, schema in named.items():
        for pointer in _leaves(oracle.raw[section]):
            assert _at(document, schemas[schema], pointer), (section, pointer)


def test_every_documented_field_is_mapped_or_has_a_reason_not_to_be(oracle: Oracle, document: Document) -> None:
    documented_ones = set(_fields(document, _payout_schema(oracle, document), ""))
    mapped = set(_leaves(oracle.raw["payout"]))
    money = oracle.raw["money"]
    mapped |= {money["currency"].get("at"), money.get("only_when", {}).get("at")} - {None}
    unmapped = {"/" + name for name in oracle.raw["unmapped"]}
    assert documented_ones - mapped - unmapped == set()
    assert unmapped - documented_ones == set()
    masked_or_shown_by_itself = {"/unit", *oracle.raw["payout"].get("payee", {}).get("account", {}).get("masked", ())}
    assert mapped & unmapped <= masked_or_shown_by_itself


def test_secrets_are_exactly_what_the_contract_flags(oracle: Oracle, document: Document) -> None:
    payout = _payout_schema(oracle, document)
    flagged = {place for place in _fields(document, payout, "") if _at(document, payout, place).get("x-secret")}
    assert set(oracle.raw["secrets"]) == flagged
    assert not flagged & set(oracle.raw["extensions"].values())


def test_what_is_carried_has_a_documented_place(oracle: Oracle, document: Document) -> None:
    for id, rule in oracle.operations.items():
        operation = document.operations[id]
        for place in (each for entry in rule["carries"].values() for each in pointers(entry)):
            where, _, name = place.partition(" ")
            if where == "body":
                (content,) = operation.body.values()
                assert _at(document, content.schema, name), (id, place)
            else:
                assert (where, name) in {(each.where, each.name) for each in operation.parameters}, (id, place)


def test_marks_carry_or_refuse_each_field_and_never_both(oracle: Oracle) -> None:
    marks = {"approve", "process", "complete", "fail", "reopen", "approve_request", "reject_request"}
    for capability, id in oracle.unified():
        rule = oracle.operations[id]
        assert not set(rule["carries"]) & set(rule["refuses"])
        if capability in marks:
            assert set(rule["carries"]) | set(rule["refuses"]) == {"id", "reference", "notes", "reason"}, id
            assert set(rule["requires"]) <= set(rule["carries"])


def test_id_patterns_are_the_contracts(oracle: Oracle, document: Document) -> None:
    shown = set()
    for operation in document.operations.values():
        shown |= {
            document.resolve(each.schema)["pattern"]
            for each in operation.parameters
            if each.where == "path" or (each.where, each.name) == ("query", "id")
        }
    assert set(oracle.raw["ids"].values()) == shown
    for pattern in oracle.raw["ids"].values():
        assert re.search(pattern, "..") is None


def _success_schema(operation: Operation) -> Any:
    return operation.responses["200"].content["application/json"].schema


def _payout_schema(oracle: Oracle, document: Document) -> Any:
    """The schema of the fullest payout: what a list holds."""
    rule = oracle.operations["list_payouts"]
    items = _at(document, _success_schema(document.operations["list_payouts"]), rule["items_at"])
    return document.resolve(items["items"])


def _at(document: Document, schema: Any, pointer: str) -> Any:
    """The schema of the field that a pointer leads to; empty where there is none."""
    for part in pointer.split("/")[1:]:
        schema = document.resolve(schema)
        branches = [schema, *map(document.resolve, (*schema.get("anyOf", ()), *schema.get("oneOf", ())))]
        schema = next((each["properties"][part] for each in branches if part in each.get("properties", {})), {})
    return document.resolve(schema)


def _fields(document: Document, schema: Any, place: str) -> Iterator[str]:
    """The pointers of all leaves; a figure by unit counts as one."""
    schema = document.resolve(schema)
    branches = [schema, *map(document.resolve, schema.get("anyOf", ()))]
    named = {name: child for each in branches for name, child in each.get("properties", {}).items()}
    if not named or place.endswith("_balance"):
        yield place
    for name, child in named.items() if not place.endswith("_balance") else ():
        yield from _fields(document, child, f"{place}/{name}")


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _leaves(child)


def _proof_pointers(proof: Any) -> Iterator[str]:
    for name, rule in proof.items():
        yield from rule if name == "not_null" else [rule] if name == "id" else [rule["at"]]


def _words(schema: Any) -> set[str]:
    return {*schema.get("enum", ()), *schema.get("x-known-values", ())}
