"""Each of the 21 operations that the five documents name is reached through its unified call, over real HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import config_of, done, problem
from tests.conftest import Stack, four_simulators, order, stack_of

pytestmark = pytest.mark.anyio

# connection, the provider's operation, the unified call, its body
MARKS: list[tuple[str, str, str, str, Any]] = [
    ("aff", "approve_payout", "POST", "/v1/payouts/aff:po_test_0001/approve", {}),
    ("aff", "mark_payout_paid", "POST", "/v1/payouts/aff:po_test_0002/complete", {"reference": "TXN-1"}),
    ("promo", "update_payout", "POST", "/v1/payouts/promo:2710287/process", {}),
    ("promo", "update_payout", "POST", "/v1/payouts/promo:2710287/complete", {}),
    ("promo", "update_payout", "POST", "/v1/payouts/promo:2710289/reopen", {}),
    ("sway", "mark_payout_processing", "POST", "/v1/payouts/sway:42/process", {}),
    ("sway", "complete_payout", "POST", "/v1/payouts/sway:44/complete", {"reference": "TXN-1", "notes": "Paid"}),
    ("sway", "fail_payout", "POST", "/v1/payouts/sway:43/fail", {"reason": "Account closed"}),
    ("sway", "approve_payout_request", "POST", "/v1/payout-requests/sway:10/approve", {}),
    ("sway", "reject_payout_request", "POST", "/v1/payout-requests/sway:13/reject", {"reason": "Too early"}),
    (
        "sway",
        "update_payout_settings",
        "PUT",
        "/v1/connections/sway/settings",
        {
            "frequency": "weekly",
            "day": 2,
            "minimum": {"currency": "USD", "minor_units": 2550},
            "allow_early_requests": False,
            "auto_create": False,
        },
    ),
]
READS = [
    ("aff", "get_payout", "/v1/payouts/aff:po_test_0001"),
    ("aff", "list_payouts", "/v1/payouts?connection=aff&status=pending"),
    ("promo", "list_payouts", "/v1/payouts?connection=promo"),
    ("sway", "list_payouts", "/v1/payouts?connection=sway"),
    ("sway", "get_payout_stats", "/v1/payouts/stats?connection=sway"),
    ("sway", "list_payout_requests", "/v1/payout-requests"),
    ("sway", "export_payouts", "/v1/payouts/export"),
    ("sway", "get_payout", "/v1/payouts/sway:42"),
    ("sway", "get_payout_statement", "/v1/payouts/sway:42/statement"),
    ("sway", "get_payout_settings", "/v1/connections/sway/settings"),
    ("bank", "list_payouts", "/v1/payouts?connection=bank"),
    ("bank", "get_payout", "/v1/payouts/bank:po:test0001:sim"),
]


@contextlib.asynccontextmanager
async def bulk_stack(folder: Path) -> AsyncIterator[Stack]:
    """A gateway that was told how Heldsway's own bulk calls name their ids."""
    async with four_simulators() as simulators:
        raw = config_of(simulators, folder)
        raw["connections"]["sway"]["settings"] = {"bulk_key": "ids"}
        async with stack_of(raw, simulators) as made:
            yield made


@pytest.mark.parametrize(("connection", "operation", "method", "path", "body"), MARKS)
async def test_a_unified_write_executes_the_documented_one_exactly_once(
    stack: Stack, connection: str, operation: str, method: str, path: str, body: Any
) -> None:
    done(await stack.write(method, path, body))
    entries = await stack.executed(connection)
    assert [entry["operation"] for entry in entries] == [operation]
    assert entries[0]["changed"]


async def test_a_create_initiates_the_payout_at_token_io(stack: Stack) -> None:
    made = done(await stack.write("POST", "/v1/payouts", order()), 201)
    (entry,) = await stack.executed("bank")
    assert (entry["operation"], entry["amount"], entry["currency"]) == ("create_payout", "10.23", "GBP")
    assert made["payout"]["id"] == f"bank:{entry['ids'][0]}"
    assert made["payout"]["extensions"]["tokenio"]["ref_id"] == entry["reference"] != "invoice-1"


@pytest.mark.parametrize(
    ("action", "operation", "ids"),
    [("process", "bulk_mark_processing", (42, 43)), ("complete", "bulk_complete", (44, 48))],
)
async def test_a_bulk_call_is_the_providers_own_once_its_body_is_configured(
    tmp_path: Path, action: str, operation: str, ids: tuple[int, ...]
) -> None:
    async with bulk_stack(tmp_path) as stack:
        answer = await stack.write("POST", f"/v1/payouts/bulk/{action}", {"ids": [f"sway:{id}" for id in ids]})
        assert [item["state"] for item in answer.json()["data"]] == ["succeeded", "succeeded"], answer.text
        (entry,) = await stack.executed("sway")
        assert (entry["operation"], entry["ids"]) == (operation, [str(id) for id in ids])


@pytest.mark.parametrize(("connection", "operation", "path"), READS)
async def test_a_unified_read_asks_the_documented_one(stack: Stack, connection: str, operation: str, path: str) -> None:
    answer = await stack.call.get(path)
    assert answer.status_code == 200, answer.text
    log = await stack.control(connection, "GET", "log")
    assert operation in [entry["operation"] for entry in log if entry["status"] == 200]
    assert stack.simulators[connection].simulator.violations == []


async def test_the_two_tables_and_the_three_creates_and_bulks_are_all_documented_writes_and_reads(
    stack: Stack,
) -> None:
    reached = {(row[0], row[1]) for row in MARKS} | {(row[0], row[1]) for row in READS}
    reached |= {("bank", "create_payout"), ("sway", "bulk_mark_processing"), ("sway", "bulk_complete")}
    documented = {
        (name, operation.id)
        for name, running in stack.simulators.items()
        for operation in running.simulator.document.operations.values()
        if not operation.login
    }
    assert reached == documented


async def test_payouts_keep_their_money_payee_and_dates(stack: Stack) -> None:
    seen = {}
    for id in ("aff:po_test_0001", "promo:2710287", "sway:42", "bank:po:test0001:sim"):
        seen[id] = (await stack.call.get(f"/v1/payouts/{id}")).json()
    assert {id: payout["status"] for id, payout in seen.items()} == dict.fromkeys(seen, "pending")
    assert {id: payout["amount"] for id, payout in seen.items()} == {
        "aff:po_test_0001": {"currency": "USD", "minor_units": 11250},
        "promo:2710287": {"currency": "USD", "minor_units": 3000},
        "sway:42": {"currency": "USD", "minor_units": 125000},
        "bank:po:test0001:sim": {"currency": "GBP", "minor_units": 1001},
    }
    assert seen["bank:po:test0001:sim"]["payee"] == {"name": "Test Person 1", "account": "…6819"}
    assert seen["aff:po_test_0001"]["observed"]["source"] == "provider+list"
    assert seen["promo:2710287"]["observed"]["source"] == "list"


async def test_an_affiliate_is_paid_in_points_without_an_amount(stack: Stack) -> None:
    payout = (await stack.call.get("/v1/payouts/promo:2709255")).json()
    assert "amount" not in payout
    assert payout["extensions"]["firstpromoter"]["units"] == 12


async def test_stats_and_settings_speak_of_minor_units(stack: Stack) -> None:
    stats = (await stack.call.get("/v1/payouts/stats")).json()
    assert stats["pending_amount"] == {"currency": "USD", "minor_units": 167864}
    assert (stats["pending_count"], stats["failed_count"], stats["pending_requests_count"]) == (
        3,
        2,
        2,
    )  # pending counts affiliates
    settings = (await stack.call.get("/v1/connections/sway/settings")).json()
    assert settings["minimum"] == {"currency": "USD", "minor_units": 5000}
    assert (settings["frequency"], settings["day"], settings["auto_create"]) == ("monthly", 1, True)


async def test_files_pass_through_byte_for_byte(stack: Stack) -> None:
    files = {
        "/v1/payouts/export": ("/v1/payouts/export", "text/csv"),
        "/v1/payouts/sway:42/statement": ("/v1/payouts/42/statement", "application/pdf"),
    }
    for unified, (native, media) in files.items():
        theirs = await direct(stack, "sway", native, media)
        for path in (unified, f"/v1/connections/sway/native{native}"):
            ours = await stack.call.get(path)
            assert ours.content == theirs.content
            assert len(ours.content) > 100
            assert ours.headers["content-type"].partition(";")[0] == media
            assert ours.headers["x-content-type-options"] == "nosniff"


async def direct(stack: Stack, connection: str, path: str, accept: str = "application/json") -> httpx.Response:
    """What the provider itself answers."""
    running = stack.simulators[connection]
    headers = {**running.simulator.description.credentials, "Accept": accept}
    async with httpx.AsyncClient(base_url=running.url, headers=headers, trust_env=False) as client:
        return await client.get(path)


async def test_one_unknown_call_refuses_with_what_there_is(stack: Stack) -> None:
    body = problem(await stack.write("POST", "/v1/payouts/promo:2710287/approve", {}), "not_offered")
    for capability in ("process", "complete", "reopen", "list_payouts"):
        assert capability in body["detail"]
