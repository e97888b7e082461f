"""Two versions of a contract: each kind of change has its severity and its words."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from contracts.algebra import covers
from contracts.document import Document
from contracts.drift import Change, Severity, drift
from gateway.conformance.cli import contracts

JSON = "application/json"
Edit = Callable[[Any], object]

PAYOUT = {
    "type": "object",
    "required": ["id", "status", "fee"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "status": {"type": "string", "enum": ["pending", "paid"]},
        "stage": {"type": "string", "x-known-values": ["new", "old"]},
        "fee": {"type": "string", "pattern": "^[0-9]+$", "maxLength": 9},
        "note": {"type": "string"},
        "parts": {"type": "array", "items": {"type": "integer"}},
        "to": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    },
}
ORDER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["amount"],
    "properties": {
        "amount": {"type": "integer", "minimum": 1, "maximum": 100},
        "note": {"type": "string"},
        "kind": {"enum": ["bank", "card"]},
    },
}
PAGE = {"type": "array", "items": {"$ref": "#/components/schemas/Payout"}}
BASE = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://provider.test"}],
    "security": [{"bearer": []}],
    "paths": {
        "/payouts": {
            "get": {
                "operationId": "list_payouts",
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 200}}],
                "responses": {
                    "200": {"content": {JSON: {"schema": PAGE}}},
                    "401": {"content": {JSON: {"schema": {"type": "object"}}}},
                },
            },
            "post": {
                "operationId": "create_payout",
                "requestBody": {"content": {JSON: {"schema": ORDER}}},
                "responses": {"201": {"content": {JSON: {"schema": {"$ref": "#/components/schemas/Payout"}}}}},
            },
        },
    },
    "components": {"schemas": {"Payout": PAYOUT}},
}  # fmt: skip
BREAKING, LOOK, HARMLESS = Severity


def payout(document: Any) -> Any:
    return document["components"]["schemas"]["Payout"]


def fields(document: Any) -> Any:
    return payout(document)["properties"]


def call(document: Any, method: str = "get") -> Any:
    return document["paths"]["/payouts"][method]


def sent(document: Any) -> Any:
    return call(document, "post")["requestBody"]["content"][JSON]["schema"]


def answer(document: Any, status: str = "200") -> Any:
    return call(document)["responses"][status]


# What is changed; then the severity, where it is told, what, and what it means for callers (a part of each).
CHANGES: dict[str, tuple[Edit, Severity, str, str, str]] = {
    "a new value in an answer": (
        lambda it: fields(it)["status"]["enum"].append("held"),
        BREAKING, "answer 200 application/json /*/status", 'a new value, "held"', "may now show something"),
    "a value less in an answer": (
        lambda it: fields(it)["status"]["enum"].remove("paid"),
        HARMLESS, "/*/status", 'never "paid"', "still fits"),
    "no more list of values": (
        lambda it: fields(it)["status"].pop("enum"), BREAKING, "/*/status", "any value", "may now show something"),
    "a new word": (
        lambda it: fields(it)["stage"]["x-known-values"].append("odd"),
        BREAKING, "/*/stage", 'a new word, "odd"', "shows as unknown"),
    "null in an answer": (
        lambda it: fields(it)["id"].update(type=["integer", "null"]), BREAKING, "/*/id", "may be null", "may now show"),
    "another type in an answer": (
        lambda it: fields(it)["id"].update(type="string"), BREAKING, "/*/id", "may be string", "may now show"),
    "a wider number": (
        lambda it: fields(it)["id"].update(type="number"), BREAKING, "/*/id", "may be number", "may now show"),
    "a field that may be absent": (
        lambda it: payout(it)["required"].remove("fee"), BREAKING, "/*/fee", "may be absent", "may now show"),
    "a field that is always there": (
        lambda it: payout(it)["required"].append("note"), HARMLESS, "/*/note", "is required", "still fits"),
    "a new field": (
        lambda it: fields(it).update(colour={"type": "string"}),
        HARMLESS, "/*/colour", "a new field, optional", "ignored until it is mapped"),
    "a field that is gone": (
        lambda it: fields(it).pop("note"), BREAKING, "/*/note", "the field is gone", "may no longer be shown"),
    "a lower minimum in an answer": (
        lambda it: fields(it)["id"].update(minimum=0), BREAKING, "/*/id", "minimum 1 became 0", "may now show"),
    "a longer text in an answer": (
        lambda it: fields(it)["fee"].pop("maxLength"), BREAKING, "/*/fee", "maxLength 9 became (none)", "may now show"),
    "another pattern": (
        lambda it: fields(it)["fee"].update(pattern="^[0-9a-f]+$"), BREAKING, "/*/fee", "pattern", "may now show"),
    "what is in a list": (
        lambda it: fields(it)["parts"]["items"].update(type=["integer", "null"]),
        BREAKING, "/*/parts/*", "may be null", "may now show"),
    "a branch more": (
        lambda it: fields(it)["to"]["anyOf"].append({"type": "null"}),
        BREAKING, "/*/to", "anyOf has 3 branches, not 2", "may now show"),
    "a branch less": (
        lambda it: fields(it)["to"]["anyOf"].pop(), HARMLESS, "/*/to", "anyOf has 1 branches, not 2", "proved"),
    "the same said otherwise": (
        lambda it: fields(it).update(to={"type": ["integer", "string"]}),
        HARMLESS, "/*/to", "anyOf has 0 branches, not 2", "proved"),
    "a new success": (
        lambda it: call(it)["responses"].update({"206": {}}), BREAKING, "answer 206", "a new status", "may now show"),
    "a new error": (
        lambda it: call(it)["responses"].update({"403": {}}), LOOK, "answer 403", "a new status", "unclear"),
    "an error less": (
        lambda it: call(it)["responses"].pop("401"), LOOK, "answer 401", "the status is gone", "in another way"),
    "a new media type of an answer": (
        lambda it: answer(it)["content"].update({"text/csv": {}}),
        BREAKING, "answer 200 text/csv", "a new media type", "may now show"),
    "a media type that is gone": (
        lambda it: answer(it)["content"].pop(JSON), BREAKING, "answer 200", "the media type is gone", "do not read"),
    "a new required field of a request": (
        lambda it: (sent(it)["required"].append("to"), sent(it)["properties"].update(to={"type": "string"})),
        BREAKING, "request application/json /to", "a new field, required", "may now be rejected"),
    "a known field that is required now": (
        lambda it: sent(it)["required"].append("note"), BREAKING, "/note", "is required", "may now be rejected"),
    "a new optional field of a request": (
        lambda it: sent(it)["properties"].update(to={"type": "string"}), HARMLESS, "/to", "optional", "do not send it"),
    "a request's field that is gone": (
        lambda it: sent(it)["properties"].pop("note"), BREAKING, "/note", "the field is gone", "rejected, or ignored"),
    "a lower maximum": (
        lambda it: sent(it)["properties"]["amount"].update(maximum=50),
        BREAKING, "/amount", "maximum 100 became 50", "may now be rejected"),
    "a higher maximum": (
        lambda it: sent(it)["properties"]["amount"].update(maximum=500), HARMLESS, "/amount", "maximum", "accepted"),
    "a value more of a request": (
        lambda it: sent(it)["properties"]["kind"]["enum"].append("cash"), HARMLESS, "/kind", '"cash"', "accepted"),
    "a value less of a request": (
        lambda it: sent(it)["properties"]["kind"]["enum"].remove("card"),
        BREAKING, "/kind", 'never "card"', "may now be rejected"),
    "a body that is required": (
        lambda it: call(it, "post")["requestBody"].update(required=True),
        BREAKING, "request body", "is required", "may now be rejected"),
    "another media type of a request": (
        lambda it: call(it, "post")["requestBody"].update(content={"text/csv": {}}),
        BREAKING, "request application/json", "the media type is gone", "rejected, or ignored"),
    "a new required parameter": (
        lambda it: call(it)["parameters"].append({"name": "day", "in": "query", "required": True}),
        BREAKING, "query day", "a new parameter, required", "may now be rejected"),
    "a parameter that is gone": (
        lambda it: call(it)["parameters"].pop(), BREAKING, "query limit", "the parameter is gone", "or ignored"),
    "a parameter's lower bound": (
        lambda it: call(it)["parameters"][0]["schema"].update(maximum=100),
        BREAKING, "query limit", "maximum 200 became 100", "may now be rejected"),
    "an operation that is gone": (
        lambda it: it["paths"]["/payouts"].pop("post"), BREAKING, "operation", "is gone", "no longer works"),
    "a new operation": (
        lambda it: it["paths"].update({"/new": {"get": {"operationId": "new", "responses": {}}}}),
        HARMLESS, "operation", "is new", "do not call it"),
    "an operation that moved": (
        lambda it: it["paths"].update({"/v2/payouts": it["paths"].pop("/payouts")}),
        BREAKING, "operation", "GET /payouts became GET /v2/payouts", "no longer works"),
    "an operation with another name": (
        lambda it: call(it).update(operationId="payouts_list"), LOOK, "operation", "now called payouts_list", "plugin"),
    "an operation with another scope": (
        lambda it: call(it).update({"x-scope": "admin"}), LOOK, "authorisation", "became admin", "credentials"),
    "another server": (
        lambda it: it["servers"][0].update(url="https://new.test"),
        LOOK, "servers", "https://new.test is new", "base URLs"),
}  # fmt: skip


def changed(edit: Edit) -> list[Change]:
    new = copy.deepcopy(BASE)
    edit(new)
    return drift(Document(BASE, "old"), Document(new, "new"))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_has_its_severity_and_its_words(name: str) -> None:
    edit, severity, where, what, meaning = CHANGES[name]
    found = changed(edit)
    assert found, "the change was not seen"
    assert any(
        each.severity is severity and where in each.where and what in each.what and meaning in each.meaning
        for each in found
    ), found
    assert max(found, key=lambda each: -list(Severity).index(each.severity)).severity is severity


@pytest.mark.parametrize(
    "edit",
    [
        lambda it: None,
        lambda it: fields(it)["id"].update(description="Another text."),
        lambda it: fields(it)["id"].update(examples=[7]),
        lambda it: payout(it)["required"].reverse(),
    ],
)
def test_what_means_nothing_to_callers_is_no_change(edit: Edit) -> None:
    assert changed(edit) == []


def test_a_recursive_schema_ends() -> None:
    def nest(document: Any) -> None:
        fields(document)["inside"] = {"$ref": "#/components/schemas/Payout"}

    assert [(each.where[-7:], each.severity) for each in changed(nest) if "new field" in each.what] != []
    recursive = copy.deepcopy(BASE)
    nest(recursive)
    wider = copy.deepcopy(recursive)
    fields(wider)["status"]["enum"].append("held")
    found = drift(Document(recursive, "old"), Document(wider, "new"))
    assert {each.severity for each in found} == {BREAKING}


def test_what_cannot_be_proved_counts_as_breaking() -> None:
    """A recursive schema, which the algebra does not decide, beside what is harmless by itself."""

    def edit(document: Any) -> None:
        fields(document)["inside"] = {"$ref": "#/components/schemas/Payout"}
        fields(document)["status"]["enum"].pop()

    told = [each for each in changed(edit) if "could not be proved" in each.what]
    assert {each.severity for each in told} == {BREAKING}


def test_no_contract_of_ours_drifts_from_itself(document: Document) -> None:
    assert drift(document, document) == []


def test_without_a_proof_nothing_is_covered() -> None:
    assert covers({"type": "integer"}, {"type": "integer", "minimum": 1})
    assert not covers({"type": "integer", "minimum": 1}, {"type": "integer"})
    assert not covers({"type": "no such type"}, {"type": "integer"})


def command(folder: Path, edit: Edit, *options: str) -> Result:
    new = copy.deepcopy(BASE)
    edit(new)
    for name, content in (("old", BASE), ("new", new)):
        (folder / name).mkdir()
        (folder / name / "openapi.yaml").write_text(yaml.safe_dump(content))
    return CliRunner().invoke(contracts, ["drift", str(folder / "old"), str(folder / "new" / "openapi.yaml"), *options])


def test_the_command_exits_1_where_callers_may_break(tmp_path: Path) -> None:
    def both(document: Any) -> None:
        CHANGES["a new value in an answer"][0](document)
        CHANGES["a new error"][0](document)

    result = command(tmp_path, both)
    assert result.exit_code == 1
    assert 'a new value, "held"' in result.output
    assert "2 breaking, 1 look, 0 harmless" in result.output


def test_the_command_exits_0_where_they_do_not(tmp_path: Path) -> None:
    result = command(tmp_path, CHANGES["a new error"][0], "--json")
    assert result.exit_code == 0
    assert [each["severity"] for each in json.loads(result.output)] == ["look"]


def test_the_command_names_a_file_that_is_no_contract(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("[1, 2]")
    result = CliRunner().invoke(contracts, ["drift", str(tmp_path / "other.yaml"), str(tmp_path / "other.yaml")])
    assert result.exit_code == 1
    assert "other.yaml cannot be read as OpenAPI 3.1" in result.output
