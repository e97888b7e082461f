"""Contracts are loaded, routed and validated."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.document import Document

FOLDER = Path(__file__).parents[2] / "contracts"


def test_static_segments_win() -> None:
    document = Document.load("heldsway")
    found = {
        path: document.match("GET", path) for path in ("/v1/payouts/stats", "/v1/payouts/42", "/v1/payouts/requests")
    }
    assert [match and match[0].id for match in found.values()] == [
        "get_payout_stats",
        "get_payout",
        "list_payout_requests",
    ]


def test_a_static_path_is_never_a_payout() -> None:
    document = Document.load("heldsway")
    assert document.match("GET", "/v1/payouts/bulk-complete") is None
    located = document.locate("/v1/payouts/bulk-complete")
    assert located is not None
    assert list(document.templates[located[0]]) == ["POST"]


def test_path_values_are_decoded_after_the_split() -> None:
    document = Document.load("tokenio")
    for path, value in (
        ("/payouts/po%3Aa%3Ab", "po:a:b"),
        ("/payouts/po:a:b", "po:a:b"),
        ("/payouts/a%2Fb", "a/b"),
    ):
        match = document.match("get", path)
        assert match is not None
        assert match[1] == {"id": value}
    assert document.match("GET", "/payouts/") is None
    assert document.match("GET", "/payouts/a/b") is None


def test_flags() -> None:
    assert {"auth_token", "temp_password", "w8_form_url"} <= Document.load("firstpromoter").secret_names
    assert Document.load("tokenio").sensitive_names == {"iban", "accountNumber", "sortCode"}
    operations = Document.load("heldsway").operations
    assert operations["create_access_token"].login
    assert not operations["create_access_token"].secured
    assert operations["export_payouts"].file
    assert operations["complete_payout"].scope == "payouts:write"


def test_a_document_is_read_once_by_name_and_anew_by_path() -> None:
    assert Document.load("ledger") is Document.load("ledger")
    by_path = Document.load(FOLDER / "ledger" / "openapi.yaml")
    assert by_path.name == "ledger"
    assert by_path.operations.keys() == Document.load("ledger").operations.keys()
    with pytest.raises(FileNotFoundError):
        Document.load("nobody")


def test_all_examples_meet_their_schemas(provider: str) -> None:
    document = Document.load(provider)
    for operation in document.operations.values():
        for media, content in operation.body.items():
            for example in content.examples.values():
                assert document.body_validator(operation, media).is_valid(example)
        for status, response in operation.responses.items():
            for media, content in response.content.items():
                for example in content.examples.values():
                    assert not document.response_faults(operation, int(status), media, example)


def test_departures_are_told() -> None:
    document = Document.load("ledger")
    operation = document.operations["get_payout"]
    assert document.response_faults(operation, 418, "application/json", {}) == ["get_payout documents no status 418"]
    assert "text/html" in document.response_faults(operation, 200, "text/html", "")[0]
    faults = document.response_faults(operation, 404, "application/json", {"error": 1})
    assert len(faults) == 2
    assert any(fault.startswith("/error: ") for fault in faults)
