"""The contracts are valid OpenAPI, complete, and every example in them is true to its own schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
from openapi_spec_validator import OpenAPIV31SpecValidator

from contracts.document import Document
from tests.contracts.plugins import documented

# Every operation of the five documents that the product was ordered from.
ORDERED = {
    "firstpromoter": {("update_payout", "PUT", "/payouts/update")},
    "heldsway": {
        ("list_payouts", "GET", "/v1/payouts"),
        ("get_payout_stats", "GET", "/v1/payouts/stats"),
        ("list_payout_requests", "GET", "/v1/payouts/requests"),
        ("export_payouts", "GET", "/v1/payouts/export"),
        ("get_payout", "GET", "/v1/payouts/{id}"),
        ("get_payout_statement", "GET", "/v1/payouts/{id}/statement"),
        ("mark_payout_processing", "POST", "/v1/payouts/{id}/processing"),
        ("complete_payout", "POST", "/v1/payouts/{id}/complete"),
        ("fail_payout", "POST", "/v1/payouts/{id}/fail"),
        ("bulk_mark_processing", "POST", "/v1/payouts/bulk-processing"),
        ("bulk_complete", "POST", "/v1/payouts/bulk-complete"),
        ("approve_payout_request", "POST", "/v1/payouts/requests/{id}/approve"),
        ("reject_payout_request", "POST", "/v1/payouts/requests/{id}/reject"),
        ("get_payout_settings", "GET", "/v1/settings/payouts"),
        ("update_payout_settings", "PUT", "/v1/settings/payouts"),
    },
    "ledger": {
        ("approve_payout", "POST", "/v1/admin/payouts/{id}/approve"),
        ("mark_payout_paid", "POST", "/v1/admin/payouts/{id}/mark-paid"),
    },
    "tokenio": {
        ("create_payout", "POST", "/payouts"),
        ("list_payouts", "GET", "/payouts"),
        ("get_payout", "GET", "/payouts/{id}"),
    },
}
# What the product needs beside them, from the providers' other pages.
BESIDE = {
    "firstpromoter": {("list_payouts", "GET", "/payouts/list")},
    "heldsway": {("create_access_token", "POST", "/v1/auth/token")},
    "ledger": {("list_payouts", "GET", "/v1/admin/payouts"), ("get_payout", "GET", "/v1/payouts/{id}")},
    "tokenio": set(),
}
SCOPES = {"GET": "read", "POST": "write", "PUT": "write"}
TOKENIO_ERRORS = {"400", "401", "403", "404", "429", "500", "501", "503", "504"}
HELDSWAY_CODES = {
    "401": "UNAUTHORIZED",
    "403": "FORBIDDEN",
    "404": "NOT_FOUND",
    "409": "INVALID_STATUS",
    "422": "VALIDATION_ERROR",
    "429": None,
}


def test_a_contract_is_valid_openapi(document: Document) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(dict(document.raw)).iter_errors()] == []
    assert document.raw["openapi"] == "3.1.0"
    assert "jsonSchemaDialect" not in document.raw  # it silently switches validation off in some tools


def test_all_21_ordered_operations_are_there() -> None:
    assert sum(map(len, ORDERED.values())) == 21
    for provider, ordered in ORDERED.items():
        there = {(each.id, each.method, each.path) for each in documented(provider).operations.values()}
        assert there == ordered | BESIDE[provider]


def test_ordered_operations_rest_on_a_seed_document_and_others_do_not() -> None:
    for provider, ordered in ORDERED.items():
        seeded = {each.id for each in documented(provider).operations.values() if "seed" in (each.source or {})}
        assert seeded == {id for id, _, _ in ordered}


def test_heldsway_names_the_scope_of_each_call() -> None:
    for each in documented("heldsway").operations.values():
        area = "settings" if "settings" in each.path else "payouts"
        assert each.scope == (None if each.login else f"{area}:{SCOPES[each.method]}")


def test_tokenio_documents_its_nine_errors_on_every_call() -> None:
    for each in documented("tokenio").operations.values():
        assert each.responses.keys() == TOKENIO_ERRORS | {"200"}


def test_heldsway_errors_carry_the_codes_of_its_table() -> None:
    shown = {
        (status, example["error"].get("code"))
        for each in documented("heldsway").operations.values()
        for status, response in each.responses.items()
        if status != "200"
        for example in response.content["application/json"].examples.values()
    }
    assert shown == set(HELDSWAY_CODES.items())


def test_every_body_has_an_example(document: Document) -> None:
    lacking = [
        f"{operation.id} {where} {media}"
        for operation in document.operations.values()
        for where, content in [("body", operation.body), *((s, r.content) for s, r in operation.responses.items())]
        for media, each in content.items()
        if media == "application/json" and not each.examples
    ]
    assert lacking == []


def test_every_example_is_true_to_its_schema(document: Document) -> None:
    checked = 0
    for place, schema, example in _examples(document, document.raw, ""):
        assert list(_validator(document, schema).iter_errors(example)) == [], place
        checked += 1
    assert checked > 10


def test_examples_hold_no_real_person_and_no_real_secret(document: Document) -> None:
    texts = list(_texts(document.raw, ""))
    assert [(place, text) for place, text in texts if "@" in text and not text.endswith("@example.test")] == []
    secrets = [(place, text) for place, text in texts if place.rpartition("/")[2] in document.secret_names]
    obvious = ("test-", "https://forms.example.test/test-", "https://hooks.example.test/test-")
    assert [(place, text) for place, text in secrets if text and not text.startswith(obvious)] == []


def test_answers_are_an_open_world(document: Document) -> None:
    requests = {name for each in document.operations.values() for name in _named(document, each.raw.get("requestBody"))}
    for name, schema in document.raw["components"]["schemas"].items():
        assert name in requests or "additionalProperties" not in str(schema), name


def _validator(document: Document, schema: Any) -> jsonschema_rs.Draft202012Validator:
    root = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": "#/$defs/it",
        "$defs": {"it": schema},
        "components": document.raw["components"],
    }
    return jsonschema_rs.Draft202012Validator(root, validate_formats=True, ignore_unknown_formats=False)


def _examples(document: Document, node: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    """Each (place, schema, example): of parameters, headers, bodies and answers, and of schemas themselves."""
    if isinstance(node, list):
        for number, child in enumerate(node):
            yield from _examples(document, child, f"{place}/{number}")
        return
    if not isinstance(node, Mapping):
        return
    if "schema" in node:
        given = [node["example"]] if "example" in node else []
        given += [each["value"] for each in node.get("examples", {}).values()]
        yield from ((place, node["schema"], example) for example in given)
    elif isinstance(node.get("examples"), list):
        yield from ((place, node, example) for example in node["examples"])
    for key, child in node.items():
        if key not in ("example", "examples"):
            yield from _examples(document, child, f"{place}/{key}")


def _texts(node: Any, place: str, inside: bool = False) -> Iterator[tuple[str, str]]:
    """Each text inside an example, with its place."""
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _texts(child, f"{place}/{key}", inside or key in ("example", "examples"))
    elif isinstance(node, list):
        for child in node:
            yield from _texts(child, place, inside)
    elif inside and isinstance(node, str):
        yield place, node


def _named(document: Document, node: Any) -> set[str]:
    """The names of all component schemas that a node refers to."""
    if isinstance(node, Mapping):
        found = {node["$ref"].rpartition("/")[2]} if "$ref" in node else set()
        deeper = [document.raw["components"]["schemas"][name] for name in found]
        return found.union(*(_named(document, child) for child in (*node.values(), *deeper)))
    return set().union(*(_named(document, child) for child in node)) if isinstance(node, list) else set()
