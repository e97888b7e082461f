"""Departures of a reply from its contract: pointers and keywords, bounded, without values, and quick to find."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from contracts.departures import DEPTH, LISTED, Checker
from contracts.document import Document
from providers.sdk import Reply

CANARY = "test-canary-value"
JSON = "application/json"


def reply(body: Any, status: int = 200, media: str = JSON) -> Reply:
    return Reply(status, httpx.Headers({"content-type": media}), json.dumps(body).encode())


def page() -> Any:
    examples = Document.load("heldsway").operations["list_payouts"].responses["200"].content[JSON].examples
    return json.loads(json.dumps(examples["one_page"]))


@pytest.fixture
def checker() -> Checker:
    return Checker(Document.load("heldsway"))


def documented(document: Document) -> list[tuple[str, Reply]]:
    """Each JSON example that the contract shows, as the reply that it is."""
    return [
        (operation.id, reply(example, int(status), media))
        for operation in document.operations.values()
        for status, response in operation.responses.items()
        for media, content in response.content.items()
        for example in content.examples.values()
        if media.endswith("json")
    ]


def test_a_documented_example_departs_in_nothing(document: Document) -> None:
    checker = Checker(document)
    examples = documented(document)
    assert len(examples) >= 10
    assert [found for id, example in examples if (found := checker.departures(id, example))] == []


@pytest.mark.parametrize(
    ("pointer", "keyword", "change"),
    [
        ("/data/items/*/id", "type", lambda body: body["data"]["items"][0].update(id=CANARY)),
        ("/data/items/*/id", "minimum", lambda body: body["data"]["items"][1].update(id=-1)),
        ("/data/meta", "required", lambda body: body["data"]["meta"].pop("total")),
        ("/data", "required", lambda body: body["data"].pop("items")),
        (
            "/data/items/*/affiliate/email",
            "format",
            lambda body: body["data"]["items"][0]["affiliate"].update(email=""),
        ),
    ],
)
def test_a_departure_is_told_by_place_and_keyword(checker: Checker, pointer: str, keyword: str, change: Any) -> None:
    body = page()
    change(body)
    found = checker.departures("list_payouts", reply(body))
    assert found == ((pointer, keyword, None),)


@pytest.mark.parametrize(
    ("answer", "keyword"),
    [
        (reply(page(), 418), "status"),
        (reply(page(), media="text/html"), "media"),
        (reply(page(), media=""), "media"),
        (Reply(200, {"content-type": JSON}, b"<html>"), "json"),
        (Reply(200, {"content-type": JSON}, b"\xff"), "json"),
        (Reply(200, {"content-type": JSON}, b"[" * 200_000), "json"),
        (reply({"success": False, "error": {"code": CANARY, "message": CANARY}}, 403), "enum"),
    ],
)
def test_every_kind_of_departure_has_its_keyword(checker: Checker, answer: Reply, keyword: str) -> None:
    found = checker.departures("list_payouts", answer)
    assert [each.keyword for each in found] == [keyword]
    assert CANARY not in str(found)


def test_names_that_the_contract_lacks_never_become_a_pointer() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    checker = Checker(small(schema))
    found = checker.departures("read", reply({f"{CANARY}-{number}": "text" for number in range(50)}))
    assert found == (("/*", "type", None),)


def test_a_pointer_is_no_deeper_than_its_bound() -> None:
    document = small({"$ref": "#/components/schemas/Nest"})
    nest = {"properties": {"in": {"$ref": "#/components/schemas/Nest"}}, "type": "object"}
    checker = Checker(Document({**document.raw, "components": {"schemas": {"Nest": nest}}}, "test"))
    body: Any = "text"
    for _ in range(3 * DEPTH):
        body = {"in": body}
    assert checker.departures("read", reply(body)) == (("/in" * DEPTH, "type", None),)


def test_a_large_body_tells_its_first_departure_and_costs_no_listing(checker: Checker) -> None:
    body = {"data": {"items": [1] * 300_000, "meta": {}}}
    answer = reply(body)
    assert len(answer.body) > LISTED
    checker.departures("list_payouts", reply(page()))
    began = time.process_time()
    found = checker.departures("list_payouts", answer)
    assert time.process_time() - began < 1.0, "listing all of them takes some seconds"
    assert len(found) == 1


@pytest.mark.parametrize("named", ["404", "4XX", "default"])
def test_a_status_may_be_documented_by_its_class_or_by_default(named: str) -> None:
    answers = {named: {"description": "It failed.", "content": {JSON: {"schema": {"type": "object"}}}}}
    checker = Checker(Document({"paths": {"/read": {"get": {"operationId": "read", "responses": answers}}}}, "test"))
    assert checker.departures("read", reply({}, 404)) == ()
    assert checker.departures("read", reply([], 404)) == (("", "type", None),)


def test_what_the_contract_does_not_have_is_surplus_and_no_departure(checker: Checker) -> None:
    body = page()
    body["data"]["items"][0] |= {"colour": "red", "status": "on_review"}
    answer = reply(body)
    assert checker.departures("list_payouts", answer) == ()
    assert checker.surplus("list_payouts", answer) == {
        ("/data/items/*", "undocumented", "colour"),
        ("/data/items/*/status", "word", "on_review"),
    }


def test_a_documented_example_has_no_surplus(document: Document) -> None:
    checker = Checker(document)
    for id, example in documented(document):
        checker.departures(id, example)
        assert checker.surplus(id, example) == set(), id


def test_a_valid_reply_is_compared_within_microseconds(document: Document) -> None:
    """The goal is 5 µs; the bound leaves room for a busy machine. `python -m tests.contracts.test_departures` tells."""
    assert median(microseconds(document)) < 25


def microseconds(document: Document) -> list[float]:
    """For each documented example the best of some rounds, decoding and headers included."""
    checker, rounds = Checker(document), 200
    spent = []
    for id, example in documented(document):
        best = []
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(rounds):
                checker.departures(id, example)
            best.append((time.perf_counter() - began) / rounds * 1e6)
        spent.append(min(best))
    return spent


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def small(schema: Any) -> Document:
    answer = {"description": "The answer.", "content": {JSON: {"schema": schema}}}
    paths = {"/read": {"get": {"operationId": "read", "responses": {"200": answer}}}}
    return Document({"openapi": "3.1.0", "paths": paths}, "test")


if __name__ == "__main__":
    for name in ("firstpromoter", "heldsway", "ledger", "tokenio"):
        spent = microseconds(Document.load(name))
        print(f"{name}: {len(spent)} examples, median {median(spent):.2f} µs, worst {max(spent):.2f} µs")
