"""Every documented operation answers; everything else is refused in the provider's own words."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from contracts.document import Operation
from contracts.simulator import PROVIDERS, Simulator
from tests.simulator.conftest import ORDER, READS, Open

pytestmark = pytest.mark.anyio

_IDS = {"ledger": "po_test_0001", "heldsway": "42", "tokenio": "po:test0001:sim"}
_BODIES: dict[str, Any] = {
    "create_payout": ORDER,
    "create_access_token": {"api_key": "test-heldsway-key", "api_secret": "test-heldsway-secret"},
}
_QUERIES = {"update_payout": {"id": "2710287", "status": "completed"}, "list_payouts": {"limit": "10"}}
_ALL = [(name, operation) for name in PROVIDERS for operation in Simulator(name).document.operations.values()]
EVERY_OPERATION = [pytest.param(name, each.id, id=f"{name}-{each.id}") for name, each in _ALL]
SECURED_OPERATIONS = [pytest.param(name, each.id, id=f"{name}-{each.id}") for name, each in _ALL if each.secured]


def _request(provider: str, operation: Operation) -> dict[str, Any]:
    """The first documented example of the operation, about records that the seed has."""
    id = "10" if "requests/{id}" in operation.path else _IDS.get(provider, "")
    request: dict[str, Any] = {"method": operation.method, "url": operation.path.replace("{id}", id)}
    if operation.id in _QUERIES and provider in ("firstpromoter", "tokenio"):
        request["params"] = {
            k: v for k, v in _QUERIES[operation.id].items() if (provider, k) != ("firstpromoter", "limit")
        }
    for content in operation.body.values():
        request["json"] = _BODIES.get(operation.id, next(iter(content.examples.values())))
    return request


@pytest.mark.parametrize(("provider", "id"), EVERY_OPERATION)
async def test_it_answers(provider: str, id: str, opened: Open) -> None:
    simulator = Simulator(provider)
    operation = simulator.document.operations[id]
    reply = await opened(simulator).request(**_request(provider, operation))
    assert reply.status_code == 200, reply.text
    media = reply.headers["content-type"].partition(";")[0]
    body = reply.json() if media == "application/json" else reply.text
    assert not simulator.document.response_faults(operation, 200, media, body)
    (entry,) = simulator.log
    assert (entry.operation, entry.status, entry.violation) == (id, 200, None)
    assert entry.executed is (operation.method != "GET" and not operation.login)


@pytest.mark.parametrize(("provider", "id"), SECURED_OPERATIONS)
async def test_it_needs_credentials(provider: str, id: str, opened: Open) -> None:
    simulator = Simulator(provider)
    operation = simulator.document.operations[id]
    client = opened(simulator)
    for headers in _bad_credentials(client.headers):
        client.headers = headers
        reply = await client.request(**_request(provider, operation))
        assert reply.status_code == 401, headers
    assert not simulator.violations
    assert not any(entry.authenticated or entry.executed for entry in simulator.log)


def _bad_credentials(right: httpx.Headers) -> list[httpx.Headers]:
    plain = {k: v for k, v in right.items() if k not in ("authorization", "x-api-key")}
    name = "x-api-key" if "x-api-key" in right else "authorization"
    value = right[name]
    rest = value.rpartition(" ")[2]
    basic = base64.b64encode(b"m:test-member:wrong").decode()
    wrong = [
        "",
        " ",
        value + "x",
        value[:-1],
        "Digest " + rest,
        rest + " x",
        "Bearer",
        "Bearer ",
        "Basic !!",
        "Basic " + basic,
    ]
    wrong += ["Bearer a.b.c", "Bearer ..", "Basic", "Basic /w==", f"{value}, {value}"]
    return [
        httpx.Headers(plain),
        *(httpx.Headers({**plain, name: each}) for each in wrong if each.strip() != value),
    ]


async def test_unknown_paths_and_methods(simulator: Simulator, client: httpx.AsyncClient) -> None:
    assert (await client.get("/nowhere")).status_code == 404
    for template, operations in simulator.document.templates.items():
        path = template.replace("{id}", "1")
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"):
            if method not in operations:
                reply = await client.request(method, path)
                assert reply.status_code == 405
                assert reply.headers["allow"].split(", ") == list(operations)
    assert not any(entry.executed for entry in simulator.log)


async def test_the_documented_base_path_may_be_there(opened: Open) -> None:
    for provider, base in (("firstpromoter", "/api/v1"), ("heldsway", "/api")):
        _, method, path, _ = READS[provider]
        assert (await opened(Simulator(provider)).request(method, base + path)).status_code == 200


BAD_REQUESTS = [
    ("ledger", "POST", "/v1/admin/payouts/po_test_0002/mark-paid", {"external_ref": ""}, 400),
    ("ledger", "POST", "/v1/admin/payouts/po_test_0002/mark-paid", {}, 400),
    ("ledger", "POST", "/v1/admin/payouts/not.an.id/approve", None, 404),
    ("ledger", "POST", "/v1/admin/payouts/po_none/approve", None, 404),
    ("firstpromoter", "PUT", "/payouts/update?status=completed", None, 422),
    ("firstpromoter", "PUT", "/payouts/update?id=2710287&status=failed", None, 422),
    ("firstpromoter", "PUT", "/payouts/update?id=2710287&id=2710288", None, 422),
    ("firstpromoter", "PUT", "/payouts/update?id=1", None, 404),
    ("firstpromoter", "GET", "/payouts/list?status=unheard", None, 422),
    ("heldsway", "POST", "/v1/payouts/42/complete", {"refrence": "typo"}, 422),
    ("heldsway", "POST", "/v1/payouts/bulk-complete", {"ids": [42], "payout_ids": [42]}, 422),
    ("heldsway", "POST", "/v1/payouts/bulk-complete", {}, 422),
    ("heldsway", "GET", "/v1/payouts?per_page=101", None, 422),
    ("heldsway", "GET", "/v1/payouts?from=yesterday", None, 422),
    ("heldsway", "GET", "/v1/payouts/0042", None, 404),
    ("heldsway", "PUT", "/v1/settings/payouts", {"payout_day": 32}, 422),
    ("heldsway", "POST", "/v1/auth/token", {"api_key": "k", "api_secret": "s"}, 401),
    ("heldsway", "POST", "/v1/auth/token", {"api_key": "k"}, 422),
    ("tokenio", "GET", "/payouts", None, 400),
    ("tokenio", "GET", "/payouts?limit=201", None, 400),
    ("tokenio", "GET", "/payouts?limit=10&statuses=PAID", None, 400),
    ("tokenio", "GET", "/payouts?limit=10&invertIds=yes", None, 400),
    ("tokenio", "GET", "/payouts?limit=10&offset=unheard", None, 400),
    ("tokenio", "GET", "/payouts/po:none:sim", None, 404),
    ("tokenio", "POST", "/payouts", {"initiation": {**ORDER["initiation"], "refId": "x" * 19}}, 400),
    (
        "tokenio",
        "POST",
        "/payouts",
        {"initiation": {**ORDER["initiation"], "description": "INV 2026-0415 and more"}},
        400,
    ),
    (
        "tokenio",
        "POST",
        "/payouts",
        {"initiation": {**ORDER["initiation"], "amount": {"value": "10.23", "currency": "EUR"}}},
        400,
    ),
]


@pytest.mark.parametrize(("provider", "method", "path", "body", "status"), BAD_REQUESTS)
async def test_bad_requests(provider: str, method: str, path: str, body: Any, status: int, opened: Open) -> None:
    simulator = Simulator(provider)
    reply = await opened(simulator).request(method, path, json=body)
    assert reply.status_code == status, reply.text
    (entry,) = simulator.log
    assert not (entry.executed or entry.changed or entry.violation)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"external_ref": NaN}',
        b"[" * 100_000,
        b'{"external_ref": "\\ud800"}',
        b"null",
        b'{"external_ref": ' + b"9" * 5000 + b"}",
        b'{"a": 1e999999999999999999999}',
    ],
)
async def test_bodies_that_are_no_json(body: bytes, opened: Open) -> None:
    simulator = Simulator("ledger")
    client = opened(simulator, **{"content-type": "application/json"})
    reply = await client.post("/v1/admin/payouts/po_test_0002/mark-paid", content=body)
    assert reply.status_code == 400
    reply = await client.post(
        "/v1/admin/payouts/po_test_0002/mark-paid",
        content=b"external_ref=x",
        headers={"content-type": "text/plain"},
    )
    assert reply.status_code == 400
    assert not simulator.log.executed()


async def test_error_shapes(opened: Open) -> None:
    ledger, first, heldsway = (opened(Simulator(name)) for name in ("ledger", "firstpromoter", "heldsway"))
    assert (await ledger.get("/v1/payouts/po_none")).json().keys() == {"error", "message"}
    del ledger.headers["authorization"]
    assert (await ledger.get("/v1/payouts/po_none")).json()["error"] == "unauthenticated"
    assert (await first.put("/payouts/update?id=1")).json() == {"error": "Payment not found"}
    assert (await first.get("/payouts/list", headers={"x-api-key": "no"})).json() == "Bad credentials"
    assert (await heldsway.get("/v1/payouts/1")).json()["error"]["code"] == "NOT_FOUND"


async def test_the_three_error_shapes_of_tokenio(opened: Open) -> None:
    client, path = opened(Simulator("tokenio")), "/payouts/po:none:sim"
    assert (await client.get(path)).json()["error"]["errorCode"] == "NOT_FOUND"
    assert (await client.get(path, headers={"token-json-error": "true"})).json()["error"]["code"] == 404
    plain = await client.get(path, headers={"accept": "*/*"})
    assert (plain.headers["content-type"], plain.text[:9]) == ("text/plain", "NOT_FOUND")


async def test_a_departure_from_the_contract_is_a_fault_of_our_own(opened: Open) -> None:
    simulator = Simulator("ledger")
    record = simulator.state.payouts.get("po_test_0001")
    assert record is not None
    simulator.state.payouts.change(record, amount_cents=12)
    reply = await opened(simulator).get("/v1/payouts/po_test_0001")
    assert (reply.status_code, len(simulator.violations)) == (500, 1)
    assert "amount_cents" in reply.text
