"""Who may do what: scopes deny by default, tenants do not see each other, a bound key sees its connections only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.app import HANDLERS
from gateway.api.endpoint import Endpoint, declared
from gateway.keys import SCOPES, hashed
from tests.api.conftest import config_of, done, problem, sent_writes
from tests.conftest import Stack, four_simulators, order, stack_of

pytestmark = pytest.mark.anyio

ENDPOINTS = [declared(handler) for handler in HANDLERS]
GUARDED = [item for item in ENDPOINTS if item.scope is not None]
OPEN = [item for item in ENDPOINTS if item.scope is None]
VALUES = {"id": "sway:42", "name": "sway", "path": "v1/payouts"}


def label(item: Endpoint) -> str:
    return f"{item.method} {item.path}"


def address(item: Endpoint) -> str:
    path = item.path
    for name, value in VALUES.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def key(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}", "Idempotency-Key": "key-1"}


STRANGER = key("test-key-of-a-stranger")


@pytest.mark.parametrize("item", OPEN, ids=label)
async def test_health_metrics_and_documentation_are_open(quiet_stack: Stack, item: Endpoint) -> None:
    assert item.path.startswith(("/health/", "/metrics", "/schema"))
    async with httpx.AsyncClient(base_url=quiet_stack.url, trust_env=False) as client:
        assert (await client.request(item.method, address(item))).status_code == 200


def test_every_scope_that_keys_may_have_is_one_that_routes_know() -> None:
    assert {item.scope for item in GUARDED} <= set(SCOPES)
    assert {item.scope for item in GUARDED if item.method != "GET" and "native" not in item.path} == {
        "payouts:write",
        "payouts:approve",
        "settings:write",
        "admin",
    }


async def test_a_foreign_operation_does_not_exist(stack: Stack) -> None:
    own = done(await stack.write("POST", "/v1/payouts", order()), 201)["operation"]["id"]
    assert (await stack.call.get(f"/v1/operations/{own}")).status_code == 200
    problem(await stack.call.get(f"/v1/operations/{own}", headers=STRANGER), "not_found")
    for query in ("", "?reference=invoice-1", "?connection=bank"):
        assert (await stack.call.get(f"/v1/operations{query}", headers=STRANGER)).json()["data"] == []


async def test_one_key_in_two_tenants_is_two_operations(stack: Stack) -> None:
    ours = done(await stack.call.post("/v1/payouts", json=order(), headers={"Idempotency-Key": "key-1"}), 201)
    theirs = await stack.call.post("/v1/payouts", json=order(), headers=STRANGER)
    assert "idempotent-replayed" not in theirs.headers
    assert done(theirs, 201)["operation"]["id"] != ours["operation"]["id"]
    assert len(await stack.executed("bank")) == 2


async def test_a_shared_connection_shares_its_payouts_but_not_its_references(stack: Stack) -> None:
    made = done(await stack.write("POST", "/v1/payouts", order()), 201)["payout"]
    seen = (await stack.call.get(f"/v1/payouts/{made['id']}", headers=STRANGER)).json()
    assert (seen["id"], seen["amount"]) == (made["id"], made["amount"])
    assert made["reference"] == "invoice-1" != seen["reference"]


async def test_a_refusal_does_not_tell_a_stranger_what_is_in_the_way(stack: Stack) -> None:
    own = done(await stack.write("POST", "/v1/payouts/sway:42/complete", {"reference": "TXN-1"}))["operation"]["id"]
    answer = await stack.call.post("/v1/payouts/sway:42/complete", json={"reference": "TXN-2"}, headers=STRANGER)
    assert own not in answer.text
    assert "TXN-1" not in answer.text
    assert answer.status_code == 409


@pytest.fixture
async def bound(tmp_path: Path) -> AsyncIterator[tuple[Stack, dict[str, str]]]:
    """A gateway with a key that is bound to the connection `sway`."""
    async with four_simulators() as simulators:
        raw: dict[str, Any] = config_of(simulators, tmp_path)
        entry = {"name": "bound", "tenant": "default", "sha256": hashed("test-bound"), "scopes": list(SCOPES)}
        raw["api_keys"].append(entry | {"connections": ["sway"]})
        async with stack_of(raw, simulators) as stack:
            yield stack, key("test-bound")


async def test_a_bound_key_reads_its_connections_only(bound: tuple[Stack, dict[str, str]]) -> None:
    stack, headers = bound
    shown = (await stack.call.get("/v1/connections", headers=headers)).json()["data"]
    assert [item["name"] for item in shown] == ["sway"]
    listed = (await stack.call.get("/v1/payouts?limit=200", headers=headers)).json()
    assert {item["connection"] for item in listed["data"]} == {"sway"}
    assert listed["omitted"] == []
    for path in (
        "payouts?connection=promo",
        "payouts/promo:2710287",
        "connections/promo/native/payouts/list",
        "payouts/stats?connection=aff",
    ):
        problem(await stack.call.get(f"/v1/{path}", headers=headers), "unknown_connection")
    assert (await stack.call.get("/v1/payouts/sway:42", headers=headers)).status_code == 200


async def test_a_bound_key_writes_to_its_connections_only(bound: tuple[Stack, dict[str, str]]) -> None:
    stack, headers = bound
    problem(await stack.call.post("/v1/payouts", json=order(), headers=headers), "no_route")
    problem(await stack.call.post("/v1/payouts", json=order(connection="bank"), headers=headers), "unknown_connection")
    mark = await stack.call.post("/v1/payouts/promo:2710287/complete", json={}, headers=headers)
    problem(mark, "unknown_connection")
    body = {"ids": ["promo:2710287", "sway:42"]}
    bulk = (await stack.call.post("/v1/payouts/bulk/complete", json=body, headers=headers)).json()["data"]
    assert [item["state"] for item in bulk] == ["refused", "succeeded"]
    for name in ("promo", "bank", "aff"):
        assert await sent_writes(stack, name) == []


async def test_a_bound_key_sees_the_operations_of_its_connections_only(bound: tuple[Stack, dict[str, str]]) -> None:
    stack, headers = bound
    other = done(await stack.write("POST", "/v1/payouts/promo:2710287/complete", {}, "key-2"))["operation"]["id"]
    own = [
        done(await stack.write("POST", f"/v1/payouts/sway:{id}/complete", {}, f"key-{id}"))["operation"]["id"]
        for id in (42, 43, 44)
    ]
    problem(await stack.call.get(f"/v1/operations/{other}", headers=headers), "not_found")
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await stack.call.get(f"/v1/operations?limit=2{cursor}", headers=headers)).json()
        seen += [item["id"] for item in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == own[::-1]
    assert (await stack.call.get("/v1/operations?connection=promo", headers=headers)).json()["data"] == []
