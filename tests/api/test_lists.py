"""Lists over one connection or many: every payout exactly once, and nothing left out in silence."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from contracts.simulator.demo import ACCOUNTS
from tests.api.conftest import done, problem
from tests.conftest import Stack, order

pytestmark = pytest.mark.anyio

OPEN = "status=pending&status=approved&status=on_hold"
# What the simulators begin with, in each provider's own order.
SEEDED = {
    "aff": [f"aff:po_test_{n:04}" for n in range(1, 13) if n % 4],
    "promo": [*(f"promo:{n}" for n in range(2710287, 2710299)), "promo:2709255"],
    "sway": [f"sway:{n}" for n in range(52, 40, -1)],
    "bank": [f"bank:po:test{n:04}:sim" for n in range(1, 13)],
}


async def page(stack: Stack, query: str) -> dict[str, Any]:
    answer = await stack.call.get(f"/v1/payouts?{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def walked(stack: Stack, query: str, *limits: int) -> list[dict[str, Any]]:
    """All payouts, page by page; the limits take turns."""
    items: list[dict[str, Any]] = []
    cursor = ""
    for limit in itertools.islice(itertools.cycle(limits), 100):
        found = await page(stack, f"{query}&limit={limit}{cursor}")
        assert len(found["data"]) <= limit
        items += found["data"]
        if found["next_cursor"] is None:
            return items
        cursor = f"&cursor={found['next_cursor']}"
    raise AssertionError("the list has no end")


def of(items: list[dict[str, Any]], connection: str) -> list[str]:
    return [item["id"] for item in items if item["connection"] == connection]


@pytest.mark.parametrize("limits", [(1,), (2,), (7,), (10,), (25,), (100,), (200,), (3, 50, 1), (200, 1, 5)])
async def test_each_payout_comes_exactly_once_in_its_connections_order(
    quiet_stack: Stack, limits: tuple[int, ...]
) -> None:
    merged = await walked(quiet_stack, "allow_partial=true", *limits)
    assert {name: of(merged, name) for name in SEEDED} == SEEDED
    for name in ("promo", "sway", "bank"):
        alone = await walked(quiet_stack, f"connection={name}", *limits)
        assert [item["id"] for item in alone] == SEEDED[name]


async def test_a_merged_page_takes_one_of_each_in_turn(quiet_stack: Stack) -> None:
    first = await page(quiet_stack, "limit=6")
    assert [item["connection"] for item in first["data"]] == ["bank", "promo", "sway", "bank", "promo", "sway"]


@pytest.mark.parametrize("status", ["pending", "processing", "completed", "failed"])
async def test_a_status_is_the_same_everywhere(quiet_stack: Stack, status: str) -> None:
    everything = await walked(quiet_stack, "allow_partial=true", 200)
    wanted = {item["id"] for item in everything if item["status"] == status}
    listed = await walked(quiet_stack, f"status={status}&allow_partial=true", 3)
    assert {item["id"] for item in listed} == wanted
    assert len(listed) == len(wanted) > 3


async def test_several_statuses_are_a_union(quiet_stack: Stack) -> None:
    for name in ("promo", "sway", "bank"):
        everything = await walked(quiet_stack, f"connection={name}", 200)
        wanted = [item["id"] for item in everything if item["status"] in ("pending", "failed")]
        listed = await walked(quiet_stack, f"connection={name}&status=pending&status=failed", 2)
        assert [item["id"] for item in listed] == wanted


async def test_a_status_that_a_provider_lacks_is_an_empty_list_and_no_call(quiet_stack: Stack) -> None:
    asked = len(await quiet_stack.control("sway", "GET", "log"))
    assert (await page(quiet_stack, "connection=sway&status=approved"))["data"] == []
    assert len(await quiet_stack.control("sway", "GET", "log")) == asked


async def test_unknown_finds_only_words_that_no_table_has(quiet_stack: Stack) -> None:
    assert await walked(quiet_stack, "connection=bank&status=unknown", 5) == []


async def test_dates_include_both_ends(stack: Stack) -> None:
    sample = (await stack.control("sway", "GET", "state"))["payouts"][1]
    days = ("2026-03-01T00:00:00Z", "2026-03-02T12:00:00Z", "2026-03-03T23:59:59Z", "2026-03-04T00:00:00Z")
    payouts = [{**sample, "id": 100 + place, "created_at": day} for place, day in enumerate(days)]
    await stack.control("sway", "POST", "seed", {"payouts": payouts, "replace": True})
    between = await walked(stack, "connection=sway&created_from=2026-03-02&created_to=2026-03-03", 1)
    assert [item["id"] for item in between] == ["sway:102", "sway:101"]
    assert len(await walked(stack, "connection=sway&created_to=2026-03-01", 5)) == 1
    assert len(await walked(stack, "connection=sway&created_from=2026-03-05", 5)) == 0


async def test_dates_are_the_banks_own_filter(quiet_stack: Stack) -> None:
    await page(quiet_stack, "connection=bank&created_from=2026-11-01&created_to=2026-11-03")
    log = await quiet_stack.control("bank", "GET", "log")
    assert "startDate=2026-11-01&endDate=2026-11-03" in log[-1]["query"]


async def test_the_ledger_alone_says_that_its_list_is_not_complete(quiet_stack: Stack) -> None:
    for query in ("connection=aff", "connection=aff&status=completed", "connection=aff&status=pending&status=unknown"):
        body = problem(await quiet_stack.call.get(f"/v1/payouts?{query}"), "not_offered")
        assert "approved, on_hold, pending" in body["detail"]
    complete = await page(quiet_stack, f"connection=aff&{OPEN}&limit=200")
    assert [item["id"] for item in complete["data"]] == SEEDED["aff"]
    assert complete["omitted"] == []


async def test_the_ledger_is_named_where_a_merged_list_lacks_it(quiet_stack: Stack) -> None:
    merged = await page(quiet_stack, "limit=200")
    assert [item["connection"] for item in merged["omitted"]] == ["aff"]
    assert of(merged["data"], "aff") == []
    whole = await page(quiet_stack, f"{OPEN}&limit=200")
    assert whole["omitted"] == []
    assert of(whole["data"], "aff") == SEEDED["aff"]


async def test_a_partial_list_has_what_there_is_and_still_names_the_gap(quiet_stack: Stack) -> None:
    for query in ("connection=aff&allow_partial=true", "allow_partial=true"):
        partial = await page(quiet_stack, f"{query}&limit=200")
        assert of(partial["data"], "aff") == SEEDED["aff"]
        assert [item["connection"] for item in partial["omitted"]] == ["aff"]


async def test_who_keeps_no_references_is_named(quiet_stack: Stack) -> None:
    found = await page(quiet_stack, f"reference=TXN-00046&{OPEN}&status=completed")
    assert [item["id"] for item in found["data"]] == ["sway:46"]
    assert {item["connection"] for item in found["omitted"]} == {"aff", "promo"}
    problem(await quiet_stack.call.get("/v1/payouts?connection=promo&reference=TXN-1"), "not_offered")


async def test_a_created_payout_is_found_by_its_own_reference_and_no_other(stack: Stack) -> None:
    made = {}
    for reference in ("invoice-1", "invoice-2"):
        answer = await stack.write("POST", "/v1/payouts", order(reference), reference)
        made[reference] = done(answer, 201)["payout"]["id"]
    for query in ("connection=bank", "route=suppliers", "allow_partial=true"):
        found = await page(stack, f"{query}&reference=invoice-2")
        assert [(item["id"], item["reference"]) for item in found["data"]] == [(made["invoice-2"], "invoice-2")]
    stranger = {"Authorization": "Bearer test-key-of-a-stranger"}
    foreign = await stack.call.get("/v1/payouts?connection=bank&reference=invoice-2", headers=stranger)
    assert foreign.json()["data"] == []


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_a_failing_connection_fails_the_list_or_is_named(stack: Stack, name: str) -> None:
    await stack.fault(name, "status", "list_payouts", status=500, times=None)
    query = f"{OPEN}&limit=200"
    body = problem(await stack.call.get(f"/v1/payouts?{query}"), "provider_failed")
    assert body["detail"].startswith(f"{name}: ")
    partial = await page(stack, f"{query}&allow_partial=true")
    assert [item["connection"] for item in partial["omitted"]] == [name]
    assert {item["connection"] for item in partial["data"]} == ACCOUNTS.keys() - {name}


async def test_a_connection_that_comes_back_goes_on_where_it_stood(stack: Stack) -> None:
    query = "allow_partial=true&limit=9"
    first = await page(stack, query)
    await stack.fault("sway", "status", "list_payouts", status=500, times=None)
    second = await page(stack, f"{query}&cursor={first['next_cursor']}")
    await stack.control("sway", "DELETE", "faults")
    items, cursor = first["data"] + second["data"], second["next_cursor"]
    while cursor is not None:
        more = await page(stack, f"{query}&cursor={cursor}")
        items, cursor = items + more["data"], more["next_cursor"]
    assert {name: of(items, name) for name in SEEDED} == SEEDED


async def test_a_route_lists_its_targets_only(quiet_stack: Stack) -> None:
    listed = await page(quiet_stack, "route=affiliates&limit=200")
    assert [item["id"] for item in listed["data"]] == SEEDED["promo"]
    problem(await quiet_stack.call.get("/v1/payouts?route=nowhere"), "no_route")


async def test_payout_requests_are_a_list_of_their_own(quiet_stack: Stack) -> None:
    whole = (await quiet_stack.call.get("/v1/payout-requests")).json()
    assert [(item["id"], item["status"]) for item in whole["data"]] == [
        ("sway:13", "pending"),
        ("sway:12", "rejected"),
        ("sway:11", "approved"),
        ("sway:10", "pending"),
    ]
    assert whole["data"][2]["payout_id"] == "sway:46"
    assert whole["data"][0]["amount"] == {"currency": "USD", "minor_units": 12000}
    assert (whole["next_cursor"], whole["omitted"]) == (None, [])


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_payout_requests_come_exactly_once_and_filter_by_status(quiet_stack: Stack, limit: int) -> None:
    for query, wanted in (("", [13, 12, 11, 10]), ("&status=pending", [13, 10]), ("&status=unknown", [])):
        ids: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            path = f"/v1/payout-requests?limit={limit}{query}{cursor}"
            found = (await quiet_stack.call.get(path)).json()
            ids += [item["id"] for item in found["data"]]
            cursor = f"&cursor={found['next_cursor']}" if found["next_cursor"] else None
        assert ids == [f"sway:{id}" for id in wanted]


async def test_payout_requests_of_who_has_none(quiet_stack: Stack) -> None:
    problem(await quiet_stack.call.get("/v1/payout-requests?connection=bank"), "not_offered")
    routed = (await quiet_stack.call.get("/v1/payout-requests?route=suppliers")).json()
    assert routed["data"] == []
    assert routed["omitted"] == [{"connection": "bank", "reason": "does not offer list_requests"}]
