"""A readable success that speaks of something else: it needs a person, and is never called done."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import done, fresh, problem
from tests.conftest import Stack, order

pytestmark = pytest.mark.anyio

# connection, mark, the operation whose answer is edited, the fault
ECHOES: list[tuple[str, str, str, str, dict[str, Any]]] = [
    ("aff", "approve", "approve_payout", "wrong_id", {}),
    ("aff", "approve", "approve_payout", "wrong_status", {}),
    ("aff", "approve", "approve_payout", "unknown_status", {}),
    ("aff", "complete", "mark_payout_paid", "wrong_id", {}),
    ("aff", "complete", "mark_payout_paid", "wrong_reference", {}),
    ("promo", "process", "update_payout", "wrong_id", {}),
    ("promo", "complete", "update_payout", "wrong_status", {}),
    ("promo", "complete", "update_payout", "unknown_status", {}),
    ("sway", "complete", "get_payout", "wrong_id", {}),
    ("sway", "complete", "get_payout", "wrong_reference", {}),
    ("bank", "create", "create_payout", "wrong_amount", {}),
    ("bank", "create", "create_payout", "wrong_reference", {}),
    ("bank", "create", "list_payouts", "wrong_amount", {"lost": True}),
    ("bank", "create", "list_payouts", "wrong_reference", {"lost": True}),
]


async def write(stack: Stack, id: str, mark: str) -> httpx.Response:
    if mark == "create":
        return await stack.write("POST", "/v1/payouts", order(id), id)
    return await stack.write("POST", f"/v1/payouts/{id}/{mark}", {"reference": "TXN-1"}, id)


@pytest.mark.parametrize(("name", "mark", "operation", "fault", "how"), ECHOES)
async def test_a_wrong_echo_needs_review(
    hasty_stack: Stack, name: str, mark: str, operation: str, fault: str, how: dict[str, Any]
) -> None:
    stack = hasty_stack
    changes = {"status": "approved"} if (name, mark) == ("aff", "complete") else {}
    id = await fresh(stack, name, **changes)
    if "lost" in how:
        await stack.fault(name, "reset", "create_payout", when="after")
    await stack.fault(name, fault, operation, times=None)
    alarms = await counted(stack, "payout_gateway_alarms_total", connection=name, reason="contradiction")
    answer = await write(stack, id, mark)
    shown = done(answer, 202, "needs_review")["operation"]
    assert shown["reason"] == "contradiction"
    await stack.control(name, "DELETE", "faults")
    if "wrong" in fault:
        assert shown["detail"] is not None
    assert await counted(stack, "payout_gateway_alarms_total", connection=name, reason="contradiction") == alarms + 1
    again = await write(stack, id, mark)
    assert done(again, 202, "needs_review")["operation"]["id"] == shown["id"]


async def test_a_guarded_mark_that_the_provider_does_not_show_is_not_done(hasty_stack: Stack) -> None:
    stack, id = hasty_stack, await fresh(hasty_stack, "sway")
    await stack.fault("sway", "wrong_status", "get_payout", times=None, to="pending")
    shown = done(await write(stack, id, "complete"), 202, "unknown")["operation"]
    assert (shown["reason"], shown["next"]["step"]) == ("not_confirmed", "look_up")


async def test_settings_that_come_back_otherwise_need_review(hasty_stack: Stack) -> None:
    stack = hasty_stack
    await fresh(stack, "sway")
    body = {
        "frequency": "weekly",
        "day": 3,
        "minimum": {"currency": "USD", "minor_units": 5000},
        "allow_early_requests": True,
        "auto_create": True,
    }
    theirs = {"payout_frequency": "weekly", "payout_day": 4, "min_payout": 50, "allow_early_requests": True}
    edited = {"success": True, "data": theirs | {"auto_create_payouts": True}}
    await stack.fault("sway", "status", "update_payout_settings", status=200, body=edited)
    done(await stack.write("PUT", "/v1/connections/sway/settings", body, "settings-1"), 202, "needs_review")


@pytest.mark.parametrize(
    ("name", "operation"),
    [("aff", "get_payout"), ("promo", "list_payouts"), ("sway", "get_payout"), ("bank", "get_payout")],
)
async def test_a_word_that_nobody_documented_is_unknown_kept_and_counted(
    hasty_stack: Stack, name: str, operation: str
) -> None:
    stack, id = hasty_stack, await fresh(hasty_stack, name)
    metric = "payout_gateway_unknown_statuses_total"
    before = await counted(stack, metric, connection=name)
    await stack.fault(name, "unknown_status", operation, times=None)
    payout = (await stack.call.get(f"/v1/payouts/{id}")).json()
    assert (payout["status"], payout["provider_status"], payout["final"]) == ("unknown", "test_unheard_of", False)
    await stack.control(name, "DELETE", "faults")
    assert await counted(stack, metric, connection=name) > before


async def test_an_unknown_word_is_found_by_its_status(hasty_stack: Stack) -> None:
    await fresh(hasty_stack, "promo")
    await hasty_stack.fault("promo", "unknown_status", "list_payouts", times=None)
    listed = (await hasty_stack.call.get("/v1/payouts?connection=promo&status=unknown&limit=200")).json()["data"]
    assert listed
    assert {payout["provider_status"] for payout in listed} == {"test_unheard_of"}
    none = (await hasty_stack.call.get("/v1/payouts?connection=promo&status=completed")).json()["data"]
    assert none == []


async def test_a_read_that_shows_another_payout_is_a_502(hasty_stack: Stack) -> None:
    for name in ("sway", "bank"):
        id = await fresh(hasty_stack, name)
        await hasty_stack.fault(name, "wrong_id", "get_payout", times=None)
        problem(await hasty_stack.call.get(f"/v1/payouts/{id}"), "provider_failed")


async def counted(stack: Stack, metric: str, **labels: str) -> float:
    """The value of a counter in /metrics."""
    text = (await stack.call.get("/metrics")).text
    wanted = [f'{name}="{value}"' for name, value in labels.items()]
    lines = [line for line in text.splitlines() if line.startswith(metric + "{") and all(w in line for w in wanted)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
