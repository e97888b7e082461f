"""The mappings of the four providers agree with their contracts, and one that does not is told so in words."""

from __future__ import annotations

import copy
import re
from datetime import date
from typing import Any

import pytest

from contracts.agreement import disagreements
from contracts.document import Document
from contracts.mapping import Mapping, MappingInvalid
from tests.contracts.plugins import documented


def test_a_mapping_agrees_with_its_contract(oracle: Mapping, document: Document, provider: str) -> None:
    assert disagreements(document, oracle) == []
    assert oracle.provider == provider


def test_no_pattern_of_an_id_lets_a_way_out_of_a_path(oracle: Mapping) -> None:
    assert len(oracle.raw["ids"]) >= 1
    for pattern in oracle.raw["ids"].values():
        assert re.search(pattern, "..") is None


WRONG: list[tuple[str, str, Any, str]] = [
    ("heldsway", "statuses/failed", None, "statuses: failed is documented, and the mapping lacks it"),
    ("heldsway", "statuses/sent", "completed", "statuses: sent is mapped, and no document has it"),
    ("heldsway", "request_statuses/rejected", None, "request_statuses: rejected is documented"),
    ("heldsway", "final", ["done"], "statuses: done is used, and no document has it"),
    ("heldsway", "transitions/fail/from", ["new"], "statuses: new is used"),
    ("heldsway", "operations/get_payout/errors/404", None, "operations.get_payout: statuses: 404 is documented"),
    ("heldsway", "operations/get_payout/errors/410", "not_found", "operations.get_payout: statuses: 410 is mapped"),
    ("heldsway", "operations/complete_payout/effect", "read", "operations.complete_payout: POST is no read"),
    ("heldsway", "operations/update_payout_settings/effect", "guarded", "no 409 is documented"),
    ("heldsway", "operations/get_payout/unified", "stats", "stats: more than one operation serves it"),
    (
        "heldsway",
        "operations/fail_payout/refuses",
        ["notes"],
        "operations.fail_payout: reference is neither carried nor",
    ),
    ("heldsway", "operations/fail_payout/refuses", ["reason", "reference", "notes"], "reason is carried and refused"),
    ("heldsway", "payout/reference", "/ref", "payout: no document has a field /ref"),
    ("heldsway", "payout_request/payout_id", "/payout", "payout_request: no document has a field /payout"),
    ("heldsway", "figures/failed_count", "/failures", "figures: no document has a field /data/failures"),
    ("heldsway", "settings/day", "/day", "settings: no document has a field /data/day"),
    ("heldsway", "extensions/method", "/way", "payout: no document has a field /way"),
    ("heldsway", "operations/list_payouts/items_at", "/data/records", "no document has a field /data/records"),
    ("ledger", "operations/mark_payout_paid/proof/not_null", ["/paid"], "proof: no document has a field /paid"),
    ("ledger", "unmapped/approved_by", None, "unmapped: /approved_by is documented, and neither mapped nor left out"),
    ("ledger", "unmapped/colour", "no reason", "unmapped: no document has a field /colour"),
    ("firstpromoter", "secrets", [], "secrets: /promoter/auth_token is documented, and the mapping lacks it"),
    ("firstpromoter", "extensions/token", "/promoter/auth_token", "extensions: /promoter/auth_token is a secret"),
    ("ledger", "operations/mark_payout_paid/carries/reference", "body /ref", "no document has a place 'body /ref'"),
    ("tokenio", "operations/list_payouts/carries/status", "query state", "no document has a place 'query state'"),
    ("tokenio", "ids/payout", "^po:[a-z]+$", "ids: ^po:[a-z]+$ is mapped, and no document has it"),
    (
        "ledger",
        "operations/approve_payout",
        None,
        "operations: approve_payout stand in one of contract and mapping only",
    ),
]


@pytest.mark.parametrize(("provider", "place", "value", "said"), WRONG)
def test_what_does_not_agree_is_said_in_words(provider: str, place: str, value: Any, said: str) -> None:
    raw = copy.deepcopy(Mapping.load(provider).raw)
    *way, last = place.split("/")
    node = raw
    for part in way:
        node = node[part]
    if value is None:
        del node[last]
    else:
        node[last] = value
    assert any(said in each for each in disagreements(documented(provider), Mapping(raw)))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (7, "examples: get_payout 200, approved: /status: 7 is not"),
        (date(2026, 11, 20), "examples: get_payout 200, approved: no JSON has such a value"),
    ],
)
def test_an_answers_example_that_breaks_its_own_schema_is_named(status: object, said: str) -> None:
    document = Document(copy.deepcopy(documented("ledger").raw), "ledger")
    answer = document.operations["get_payout"].responses["200"].content["application/json"]
    answer.examples["approved"]["status"] = status
    [found] = disagreements(document, Mapping.load("ledger"))
    assert said in found


def test_a_requests_example_that_breaks_its_own_schema_is_named() -> None:
    document = Document(copy.deepcopy(documented("tokenio").raw), "tokenio")
    del document.operations["create_payout"].body["application/json"].examples["iban"]["initiation"]["amount"]
    [found] = disagreements(document, Mapping.load("tokenio"))
    assert found == 'examples: create_payout request, iban: /initiation: "amount" is a required property'


def test_a_mapping_that_is_none_is_refused_by_its_places() -> None:
    raw = copy.deepcopy(Mapping.load("ledger").raw)
    raw["statuses"]["paid"] = "settled"
    with pytest.raises(MappingInvalid, match="/statuses/paid: "):
        Mapping(raw)
