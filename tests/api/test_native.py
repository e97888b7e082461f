"""The reverse proxy for reads: what a contract documents, natively, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.document import Document, Operation
from contracts.simulator.demo import ACCOUNTS
from gateway.redaction import SUSPICIOUS
from tests.api.conftest import config_of, problem, requests_of, sent_writes
from tests.api.test_operations_reached import direct
from tests.conftest import Stack, stack_of

pytestmark = pytest.mark.anyio

IDS = {"aff": "po_test_0001", "promo": "2710287", "sway": "42", "bank": "po:test0001:sim"}
QUERIES = {("bank", "list_payouts"): "?limit=3&statuses=INITIATION_PENDING&statuses=INITIATION_FAILED"}
DOCUMENTED: list[tuple[str, Operation]] = [
    (name, operation)
    for name, account in ACCOUNTS.items()
    for operation in Document.load(account.provider).operations.values()
]
READS = [(name, operation) for name, operation in DOCUMENTED if operation.is_read]
WRITES = [(name, operation) for name, operation in DOCUMENTED if not operation.is_read and not operation.login]
# Which unified call each documented write is refused for.
INSTEAD = {
    "approve_payout": "POST /v1/payouts/{id}/approve",
    "mark_payout_paid": "POST /v1/payouts/{id}/complete",
    "update_payout": "POST /v1/payouts/{id}/process",
    "mark_payout_processing": "POST /v1/payouts/{id}/process",
    "complete_payout": "POST /v1/payouts/{id}/complete",
    "fail_payout": "POST /v1/payouts/{id}/fail",
    "bulk_mark_processing": "POST /v1/payouts/bulk/process",
    "bulk_complete": "POST /v1/payouts/bulk/complete",
    "approve_payout_request": "POST /v1/payout-requests/{id}/approve",
    "reject_payout_request": "POST /v1/payout-requests/{id}/reject",
    "update_payout_settings": "PUT /v1/connections/{name}/settings",
    "create_payout": "POST /v1/payouts",
}


def native(name: str, operation: Operation) -> str:
    path = operation.path.replace("{id}", IDS[name])
    return f"{path}{QUERIES.get((name, operation.id), '')}"


def label(value: Any) -> str:
    return value.id if isinstance(value, Operation) else str(value)


def without_secrets(value: Any, document: Document) -> Any:
    """Theirs as we may show it: written here once more, so that ours is judged by something else."""
    if isinstance(value, list):
        return [without_secrets(item, document) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"…{item[-min(4, len(item) // 2) :]}"
        if name in document.sensitive_names
        else without_secrets(item, document)
        for name, item in value.items()
        if name not in document.secret_names
    }


@pytest.mark.parametrize(("name", "operation"), READS, ids=label)
async def test_each_documented_read_passes_with_our_credentials(stack: Stack, name: str, operation: Operation) -> None:
    path = native(name, operation)
    accept = next(iter(operation.responses["200"].content))
    theirs = await direct(stack, name, path, accept)
    ours = await stack.call.get(f"/v1/connections/{name}/native{path}")
    assert ours.status_code == theirs.status_code == 200, ours.text
    if operation.file:
        assert ours.content == theirs.content
    else:
        document = Document.load(ACCOUNTS[name].provider)
        assert ours.json() == without_secrets(theirs.json(), document)
        assert not [key for key in keys_of(ours.json()) if SUSPICIOUS.search(key)]


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set[str]().union(*map(keys_of, value)) if isinstance(value, list) else set()


async def test_numbers_keep_their_value(stack: Stack) -> None:
    await stack.control("sway", "POST", "seed", {"payouts": [{"id": 90, "status": "pending", "amount": 0.1}]})
    ours = await stack.call.get("/v1/connections/sway/native/v1/payouts/90")
    assert b'"amount":0.1' in ours.content
    assert json.loads(ours.content, parse_float=str)["data"]["amount"] == "0.1"


async def test_a_providers_next_page_travels(stack: Stack) -> None:
    first = await stack.call.get("/v1/connections/promo/native/payouts/list")
    assert 'rel="next"' in first.headers["link"]
    second = await stack.call.get("/v1/connections/promo/native/payouts/list?page=2")
    assert len(first.json()) + len(second.json()) == 13
    assert "link" not in second.headers


async def test_a_next_page_that_no_header_can_carry_is_the_providers_fault(stack: Stack) -> None:
    omega = "\N{GREEK CAPITAL LETTER OMEGA}".encode().decode("latin-1")
    await stack.fault("promo", "status", status=200, body="[]", headers={"Link": omega})
    problem(await stack.call.get("/v1/connections/promo/native/payouts/list"), "provider_failed")


@pytest.mark.parametrize(("name", "operation"), WRITES, ids=label)
async def test_a_documented_write_is_refused_and_its_unified_call_named(
    quiet_stack: Stack, name: str, operation: Operation
) -> None:
    path = f"/v1/connections/{name}/native{native(name, operation)}"
    answer = await quiet_stack.call.request(operation.method, path, json={})
    assert INSTEAD[operation.id] in problem(answer, "use_unified_call")["detail"]


async def test_a_login_is_never_forwarded(quiet_stack: Stack) -> None:
    for method in ("POST", "GET"):
        path = "/v1/connections/sway/native/v1/auth/token"
        problem(await quiet_stack.call.request(method, path, json={"api_key": "x", "api_secret": "y"}), "not_found")
    log = await quiet_stack.control("sway", "GET", "log")
    assert [entry for entry in log if entry["operation"] == "create_access_token"] == []


@pytest.mark.parametrize(
    "path",
    [
        "aff/native/v1/affiliates",
        "aff/native/v1/payouts/po_test_0001/approve",
        "sway/native/v1/payouts/requests/10",
        "sway/native/v1/payouts/abc",
        "sway/native/v1/payouts/%2e%2e",
        "sway/native/v1/payouts/..%2Fsettings%2Fpayouts",
        "sway/native/v1/payouts/42%2Fstatement",
        "sway/native/v1/payouts/42%00",
        "sway/native/v1/payouts/42/",
        "sway/native/v1//payouts",
        "sway/native/v1/pay%6futs",
        "sway/native/_control/state",
        "bank/native/payouts/po:a:b:c",
        "promo/native/payouts/update",
        "promo/native/",
    ],
)
async def test_what_no_contract_documents_is_not_found(quiet_stack: Stack, path: str) -> None:
    problem(await quiet_stack.call.get(f"/v1/connections/{path}"), "not_found")


async def test_an_id_may_be_spelt_with_percent_signs(stack: Stack) -> None:
    for path in ("bank/native/payouts/po%3Atest0001%3Asim", "sway/native/v1/payouts/4%32/statement"):
        assert (await stack.call.get(f"/v1/connections/{path}")).status_code == 200


async def test_settings_need_their_own_scope_natively_too(stack: Stack) -> None:
    path = "/v1/connections/sway/native/v1/settings/payouts"
    keys = {"payouts:read": 403, "settings:read": 403}
    for key, status in keys.items():
        answer = await stack.call.get(path, headers={"Authorization": f"Bearer test-{key}"})
        assert answer.status_code == status, key
    assert (await stack.call.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, "payout_not_found"), (422, "refused_by_provider"), (401, "provider_failed"), (500, "provider_failed")],
)
async def test_a_refused_native_read_is_a_problem_of_ours(stack: Stack, status: int, kind: str) -> None:
    await stack.fault("sway", "status", "get_payout", status=status, times=None)
    problem(await stack.call.get("/v1/connections/sway/native/v1/payouts/42"), kind)


async def test_the_callers_credentials_and_headers_stay_here(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = requests_of(stack, "promo", monkeypatch)
    headers = {"X-API-KEY": "test-of-the-caller", "Cookie": "test=1", "Accept": "text/plain"}
    assert (await stack.call.get("/v1/connections/promo/native/payouts/list", headers=headers)).status_code == 200
    (request,) = sent
    assert request.headers["x-api-key"] == ACCOUNTS["promo"].credentials["api_key"]
    assert request.headers["accept"] == "application/json"
    assert "cookie" not in request.headers
    assert "authorization" not in request.headers


async def test_a_connection_may_be_called_native(stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    raw = config_of(stack.simulators, folder)
    raw["connections"]["native"] = raw["connections"].pop("promo")
    raw["routes"] = []
    async with stack_of(raw, stack.simulators) as other:
        assert (await other.call.get("/v1/connections/native/native/payouts/list")).status_code == 200


async def test_no_write_reaches_a_provider_through_the_proxy(stack: Stack) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await stack.call.request(method, "/v1/connections/sway/native/v1/payouts/42/complete", json={})
        assert answer.status_code in (404, 405)
    assert await sent_writes(stack, "sway") == []


def test_the_list_of_unified_calls_is_total() -> None:
    assert {operation.id for _, operation in WRITES} == INSTEAD.keys()
