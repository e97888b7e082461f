"""Bad URLs: ids, paths, methods and query parameters that name nothing."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.api.conftest import problem
from tests.conftest import Stack

pytestmark = pytest.mark.anyio

IDS = {
    "dots": ("sway:..", "field_refused"),
    "quoted dots": ("aff:%2e%2e", "field_refused"),
    "one dot": ("aff:.", "field_refused"),
    "a quoted slash": ("sway:4%2F2", "not_found"),
    "a way up": ("bank:po:test0001:sim%2F..%2F..", "not_found"),
    "a NUL": ("sway:42%00", "field_refused"),
    "a line break": ("sway:42%0A", "field_refused"),
    "a broken byte": ("sway:42%ff", "field_refused"),
    "Arabic digits": ("sway:%D9%A4%D9%A2", "field_refused"),
    "a leading zero": ("sway:042", "field_refused"),
    "a minus": ("sway:-42", "field_refused"),
    "19 digits": ("sway:1234567890123456789", "field_refused"),
    "a word that is a path there": ("sway:stats", "field_refused"),
    "a foreign pattern": ("bank:42", "field_refused"),
    "a query inside": ("aff:po_test_0001%3Fx=1", "field_refused"),
    "a fragment inside": ("aff:po_test_0001%23", "field_refused"),
    "nothing": ("sway:", "field_refused"),
    "65 characters": ("aff:" + "x" * 65, "field_refused"),
    "no connection": ("42", "payout_not_found"),
    "an empty connection": (":42", "unknown_connection"),
    "an unknown connection": ("nowhere:42", "unknown_connection"),
    "a connection in capitals": ("SWAY:42", "unknown_connection"),
}


@pytest.mark.parametrize(("id", "kind"), IDS.values(), ids=IDS.keys())
async def test_an_id_that_cannot_be_one_builds_no_url(quiet_stack: Stack, id: str, kind: str) -> None:
    pointers = ["/id"] if kind == "field_refused" else []
    for path in (f"/v1/payouts/{id}", f"/v1/payouts/{id}/statement"):
        problem(await quiet_stack.call.get(path), kind, *pointers)
    for path in (f"/v1/payouts/{id}/complete", f"/v1/payout-requests/{id}/approve"):
        problem(await quiet_stack.write("POST", path, {"reference": "TXN-1"}), kind, *pointers)


QUERIES = {
    "an unknown parameter": ("payouts?colour=red", ["colour"]),
    "a broken name": ("payouts?%ff=1", ["�"]),
    "a doubled limit": ("payouts?limit=1&limit=1", ["limit"]),
    "a doubled connection": ("payouts?connection=sway&connection=sway", ["connection"]),
    "limit 0": ("payouts?limit=0", ["limit"]),
    "limit 201": ("payouts?limit=201", ["limit"]),
    "limit -1": ("payouts?limit=-1", ["limit"]),
    "limit x": ("payouts?limit=x", ["limit"]),
    "limit in Arabic digits": ("payouts?limit=%D9%A1", ["limit"]),
    "a limit of 5,000 digits": ("payouts?limit=" + "9" * 5_000, ["limit"]),
    "no limit": ("payouts?limit=", ["limit"]),
    "an unknown status": ("payouts?status=paid", ["status"]),
    "a known and an unknown status": ("payouts?status=pending&status=paid", ["status"]),
    "a 13th month": ("payouts?created_from=2026-13-01", ["created_from"]),
    "a moment": ("payouts?created_to=2026-01-01T00:00:00Z", ["created_to"]),
    "an empty reference": ("payouts?reference=", ["reference"]),
    "a long reference": ("payouts?reference=" + "x" * 256, ["reference"]),
    "no boolean": ("payouts?allow_partial=perhaps", ["allow_partial"]),
    "several": ("payouts?limit=0&status=paid&colour=red", ["colour", "status", "limit"]),
    "a parameter where there are none": ("payouts/sway:42?limit=1", ["limit"]),
    "stats of a limit": ("payouts/stats?limit=1", ["limit"]),
    "requests: limit": ("payout-requests?limit=201", ["limit"]),
    "requests: status": ("payout-requests?status=completed", ["status"]),
    "operations: limit": ("operations?limit=0", ["limit"]),
    "operations: state": ("operations?state=done", ["state"]),
    "operations: cursor": ("operations?cursor=op_1", ["cursor"]),
    "connections": ("connections?name=sway", ["name"]),
    "settings": ("connections/sway/settings?x=1", ["x"]),
}


@pytest.mark.parametrize(("path", "pointers"), QUERIES.values(), ids=QUERIES.keys())
async def test_a_wrong_parameter_is_named(quiet_stack: Stack, path: str, pointers: list[str]) -> None:
    answer = await quiet_stack.call.get(f"/v1/{path}")
    named = [fault["pointer"] for fault in answer.json()["errors"]]
    problem(answer, "invalid_parameter", *named)
    assert sorted(named) == sorted(pointers)


def coded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


CURSORS = {
    "noise": "xx",
    "a broken byte": "%ff",
    "not ASCII": "%C3%A9",
    "long noise": "A" * 5_000,
    "no JSON": base64.urlsafe_b64encode(b"{").decode(),
    "an array": coded([]),
    "of another shape": coded({"query": "x", "positions": {"sway": {}}}),
    "with more fields": coded({"query": "x", "positions": {}, "more": 1}),
    "going back": coded({"query": "x", "positions": {"sway": ["1", -1, False]}}),
    "of nobody": coded({"query": "x", "positions": {}}),
}


@pytest.mark.parametrize("cursor", CURSORS.values(), ids=CURSORS.keys())
async def test_a_broken_cursor_is_refused(quiet_stack: Stack, cursor: str) -> None:
    for path in ("payouts", "payout-requests"):
        problem(await quiet_stack.call.get(f"/v1/{path}?cursor={cursor}"), "invalid_parameter", "cursor")


OTHER_LISTS = {
    "another status": "payouts?connection=sway&limit=2&status=pending",
    "another connection": "payouts?connection=bank&limit=2",
    "all connections": "payouts?limit=2",
    "dates": "payouts?connection=sway&limit=2&created_from=2026-01-01",
    "a reference": "payouts?connection=sway&limit=2&reference=TXN-1",
    "payout requests": "payout-requests?connection=sway&limit=2",
}


@pytest.mark.parametrize("other", OTHER_LISTS.values(), ids=OTHER_LISTS.keys())
async def test_a_cursor_belongs_to_its_filters(quiet_stack: Stack, other: str) -> None:
    first = await quiet_stack.call.get("/v1/payouts?connection=sway&limit=2")
    cursor = first.json()["next_cursor"]
    problem(await quiet_stack.call.get(f"/v1/{other}&cursor={cursor}"), "invalid_parameter", "cursor")


async def test_a_cursor_of_payout_requests_belongs_to_its_status(quiet_stack: Stack) -> None:
    first = await quiet_stack.call.get("/v1/payout-requests?limit=1&status=pending")
    path = f"/v1/payout-requests?limit=1&cursor={first.json()['next_cursor']}"
    problem(await quiet_stack.call.get(path), "invalid_parameter", "cursor")
    assert (await quiet_stack.call.get(f"{path}&status=pending")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/payouts", {"GET", "POST", "OPTIONS"}),
        ("DELETE", "/v1/payouts/sway:42", {"GET", "OPTIONS"}),
        ("GET", "/v1/payouts/sway:42/complete", {"POST", "OPTIONS"}),
        ("GET", "/v1/payouts/bulk/process", {"POST", "OPTIONS"}),
        ("PATCH", "/v1/connections/sway/settings", {"GET", "PUT", "OPTIONS"}),
        ("POST", "/health/live", {"GET", "OPTIONS"}),
        ("TRACE", "/v1/operations", {"GET", "OPTIONS"}),
        ("POST", "/schema/openapi.json", {"GET", "OPTIONS"}),
    ],
)
async def test_a_wrong_method_is_405_and_says_which_are_right(
    quiet_stack: Stack, method: str, path: str, allowed: set[str]
) -> None:
    for asked in (method, "OPTIONS"):
        answer = await quiet_stack.call.request(asked, path)
        assert set(answer.headers["allow"].split(", ")) == allowed
        if asked == "OPTIONS":
            assert (answer.status_code, answer.content) == (204, b"")
        else:
            problem(answer, "method_not_allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v2/payouts",
        "/v1/payouts/sway:42/cancel",
        "/v1/payouts/sway:42/approve/now",
        "/v1/payouts/sway:42%2Fstatement%2F..",
        "/v1/operations/op_00000000000000000000000000000000",
        "/v1/operations/%00",
        "/schema/static/nothing.js",
        "/schema/static/..%2f..%2fopenapi%2f__init__.py",
        "/schema/static/%2e%2e/__init__.py",
    ],
)
async def test_an_unknown_path_is_404(quiet_stack: Stack, path: str) -> None:
    problem(await quiet_stack.call.get(path), "not_found")
