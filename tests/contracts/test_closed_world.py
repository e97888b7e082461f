"""A request that departs from its contract is found out: what is missing, what is more, what is spelt otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.closed_world import Sent, departures
from contracts.document import Document

ITEM = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
BODY = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "items": {"type": "array", "items": ITEM},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "way": {"anyOf": [{"properties": {"iban": {"type": "string"}}}, {"properties": {"card": {"type": "string"}}}]},
    },
}
DOCUMENT = Document(
    {
        "openapi": "3.1.0",
        "security": [{"key": []}, {"basic": []}],
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
                "basic": {"type": "http", "scheme": "basic"},
            }
        },
        "paths": {
            "/v1/orders/{id}": {
                "post": {
                    "operationId": "order",
                    "parameters": [
                        {"name": "id", "in": "path", "required": True, "schema": {"pattern": "^[a-z]+$"}},
                        {"name": "limit", "in": "query", "required": True, "schema": {"type": "integer", "maximum": 9}},
                        {"name": "state", "in": "query", "schema": {"type": "array", "items": {"enum": ["a", "b"]}}},
                        {
                            "name": "tags",
                            "in": "query",
                            "explode": False,
                            "schema": {"type": "array", "items": {"enum": ["c", "d"]}},
                        },
                        {"name": "X-Trace", "in": "header", "schema": {"type": "boolean"}},
                    ],
                    "requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}},
                    "responses": {"200": {"content": {"application/json": {}}}},
                }
            },
            "/v1/open": {"get": {"operationId": "open", "security": [], "responses": {"204": {}}}},
        },
    },
    "test",
)
GOOD = Sent(
    "POST",
    "/v1/orders/abc",
    (("limit", "5"), ("state", "a"), ("state", "b"), ("tags", "c,d")),
    (("accept", "application/json"), ("content-type", "application/json"), ("x-key", "k"), ("x-trace", "true")),
    b'{"name": "n", "items": [{"id": 1}], "labels": {"any": "x"}, "way": {"card": "1"}}',
)
HEADERS = dict(GOOD.headers)


def with_headers(**changes: str | None) -> dict[str, Any]:
    """The good headers, changed; None leaves one out."""
    changed = HEADERS | {name.replace("_", "-"): value for name, value in changes.items()}
    return {"headers": tuple((name, value) for name, value in changed.items() if value is not None)}


def test_a_documented_request_departs_in_nothing() -> None:
    assert departures(DOCUMENT, GOOD) == []
    assert departures(DOCUMENT, GOOD._replace(**with_headers(x_key=None, authorization="Basic YTpi"))) == []
    assert departures(DOCUMENT, Sent("GET", "/v1/open", (), (), b"")) == []


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"method": "PUT"}, "path"),
        ({"path": "/v1/orders"}, "path"),
        ({"path": "/v1/orders/"}, "path"),
        ({"path": "/v1/orders/4.2"}, "path id"),
        ({"path": "/v1/orders/%2e%2e"}, "path id"),
        ({"query": ()}, "query limit"),
        ({"query": (("limit", "10"),)}, "query limit"),
        ({"query": (("limit", "x"),)}, "query limit"),
        ({"query": (("limit", "05"),)}, "query limit"),
        ({"query": (("limit", "1"), ("limit", "2"))}, "query limit"),
        ({"query": (("limit", "1"), ("dry_run", "true"))}, "query dry_run"),
        ({"query": (("limit", "1"), ("state", "a,b"))}, "query state"),
        ({"query": (("limit", "1"), ("tags", "c,x"))}, "query tags"),
        (with_headers(x_trace="yes"), "header x-trace"),
        (with_headers(x_test="1"), "header x-test"),
        (with_headers(accept="text/csv"), "header accept"),
        (with_headers(accept=None), "header accept"),
        (with_headers(x_key=None), "security"),
        (with_headers(x_key=""), "security"),
        (with_headers(authorization="Basic YTpi"), "security"),
        (with_headers(x_key=None, authorization="Basic YWI="), "security"),
        (with_headers(x_key=None, authorization="Basic ?"), "security"),
        (with_headers(x_key=None, authorization="Bearer test"), "security"),
        (with_headers(content_type="text/plain"), "body"),
        (with_headers(content_type=None), "body"),
        ({"body": b""}, "body"),
        ({"body": b"{"}, "body"),
        ({"body": b'{"name": "a", "name": "b"}'}, "body"),
        ({"body": b'{"name": NaN}'}, "body"),
        ({"body": b'{"name": 1}'}, "body /name"),
        ({"body": b'{"name": "n", "more": 1}'}, "body /more"),
        ({"body": b'{"name": "n", "items": [{"id": "1"}]}'}, "body /items/0/id"),
        ({"body": b'{"name": "n", "items": [{"id": 1, "more": 1}]}'}, "body /items/more"),
        ({"body": b'{"name": "n", "way": {"cash": 1}}'}, "body /way/cash"),
    ],
)
def test_each_departure_is_named_by_its_place(changes: dict[str, Any], place: str) -> None:
    assert {departure.place for departure in departures(DOCUMENT, GOOD._replace(**changes))} == {place}


def test_what_is_asked_without_credentials_must_be_sent_without() -> None:
    for name, value in (("x-key", "k"), ("authorization", "Basic YTpi")):
        (departure,) = departures(DOCUMENT, Sent("GET", "/v1/open", (), ((name, value),), b""))
        assert departure.place == "security"
    (departure,) = departures(DOCUMENT, Sent("GET", "/v1/open", (), (("content-type", "application/json"),), b""))
    assert departure.place == "header content-type"


def test_what_a_call_asks_can_be_heard_before_it_is_sent() -> None:
    bare = GOOD._replace(headers=(("content-type", "application/json"),))
    assert departures(DOCUMENT, bare, addressed=False) == []
    assert len(departures(DOCUMENT, bare)) == 2
