"""Approvals: other keys let an operation go, knowing what they approve; until then nothing is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.store.audit import Audit
from gateway.store.interface import Transaction
from tests.api.conftest import done, later, nothing_happened, problem, sent_writes
from tests.api.limited import OTHER, approvals, gbp, limited, of_connection, paid, pay
from tests.conftest import Stack, order

pytestmark = pytest.mark.anyio

CHECKER = {"Authorization": "Bearer test-payouts:approve"}
STRANGER = {"Authorization": "Bearer test-key-of-a-stranger"}
LARGE = {"name": "large", "when": {"operation": ["create"], "currency": ["GBP"], "above": 1000, "tenant": ["default"]}}
TWO = LARGE | {"approvers": 2, "expires_after": 3600}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with limited(tmp_path, approvals(TWO)) as (made,):
        yield made


async def asked(stack: Stack, number: int = 1, minor_units: int = 1001) -> dict[str, Any]:
    """An operation that awaits approval."""
    operation: dict[str, Any] = done(await pay(stack, number, minor_units), 202, "awaiting_approval")["operation"]
    return operation


async def decide(
    stack: Stack, operation: dict[str, Any], headers: dict[str, str], decision: str = "approve", body: Any = None
) -> httpx.Response:
    body = body or {"fingerprint": operation["approval"]["fingerprint"]}
    return await stack.call.post(f"/v1/operations/{operation['id']}/{decision}", json=body, headers=headers)


async def test_nothing_is_sent_until_the_last_approval_and_then_once(stack: Stack) -> None:
    operation = await asked(stack)
    assert (operation["approval"]["approvers"], operation["approval"]["approved_by"]) == (2, [])
    assert operation["approval"]["payee"] == {"name": "Test Supplier", "account": "…6819"}
    first = done(await decide(stack, operation, CHECKER), 200, "awaiting_approval")
    assert first["operation"]["approval"]["approved_by"] == ["payouts:approve"]
    await stack.gateway.runner.resume_due()
    assert await sent_writes(stack, "bank") == []
    last = done(await decide(stack, operation, OTHER))
    assert [each["decision"] for each in last["operation"]["decisions"]] == ["approve", "approve"]
    assert await paid(stack) == 1001
    replay = await pay(stack, 1, 1001)
    assert (done(replay, 201)["operation"]["id"], replay.headers["idempotent-replayed"]) == (operation["id"], "true")


async def test_the_threshold_itself_needs_no_approval(stack: Stack) -> None:
    done(await pay(stack, 1, 1000), 201)


async def test_a_mark_can_need_approval_and_the_payout_is_busy_meanwhile(tmp_path: Path) -> None:
    policy = {"name": "marks", "when": {"operation": ["complete"], "connection": ["sway"]}, "approvers": 1}
    async with limited(tmp_path, approvals(policy | {"when": policy["when"] | {"tenant": ["default"]}})) as (stack,):
        path, mark = "/v1/payouts/sway:42/complete", {"reference": "TXN-1"}
        operation = done(await stack.write("POST", path, mark), 202, "awaiting_approval")["operation"]
        problem(await stack.write("POST", path, mark, "key-2"), "payout_busy")
        done(await decide(stack, operation, CHECKER))
        assert len(await stack.executed("sway")) == 1


async def test_a_bulk_call_awaits_approval_id_by_id(tmp_path: Path) -> None:
    policy = {"name": "marks", "when": {"connection": ["sway"], "tenant": ["default"]}, "approvers": 1}
    for number, settings in enumerate(({}, {"bulk_key": "ids"})):
        folder = tmp_path / str(number)
        folder.mkdir()

        def set_up(raw: dict[str, Any], settings: dict[str, str] = settings) -> None:
            raw["connections"]["sway"]["settings"] = settings

        async with limited(folder, approvals(policy), set_up) as (stack,):
            answer = await stack.write("POST", "/v1/payouts/bulk/process", {"ids": ["sway:42", "sway:43"]})
            first, second = answer.json()["data"]
            assert first["state"] == second["state"] == "awaiting_approval"
            assert await sent_writes(stack, "sway") == []
            done(await decide(stack, first["operation"], CHECKER))
            (entry,) = await stack.executed("sway")
            assert entry["ids"] == ["42"]


async def test_the_maker_approves_nothing_and_denies_nothing(stack: Stack) -> None:
    operation = await asked(stack)
    for decision, body in (("approve", None), ("deny", {"note": "mine"})):
        problem(await decide(stack, operation, {}, decision, body), "same_person")


async def test_one_key_approves_once(stack: Stack) -> None:
    operation = await asked(stack)
    for _ in range(3):
        done(await decide(stack, operation, CHECKER), 200, "awaiting_approval")
    done(await decide(stack, operation, OTHER))
    done(await decide(stack, operation, CHECKER))
    assert await paid(stack) == 1001


async def test_another_fingerprint_approves_nothing(stack: Stack) -> None:
    operation, other = await asked(stack), await asked(stack, 2, 2000)
    wrong = {"fingerprint": other["approval"]["fingerprint"]}
    problem(await decide(stack, operation, CHECKER, body=wrong), "decision_refused")
    shown = (await stack.call.get(f"/v1/operations/{operation['id']}")).json()["operation"]
    assert shown["approval"]["approved_by"] == []


async def test_an_operation_of_another_tenant_does_not_exist(stack: Stack) -> None:
    operation = await asked(stack)
    for decision in ("approve", "deny"):
        body = {"note": "x"} if decision == "deny" else None
        problem(await decide(stack, operation, STRANGER, decision, body), "not_found")


async def test_a_policy_is_of_the_tenants_that_it_names(stack: Stack) -> None:
    done(await pay(stack, 1, 5000, STRANGER), 201)


async def test_what_was_denied_is_never_sent_and_its_reference_is_free(stack: Stack) -> None:
    operation = await asked(stack)
    denied = done(await decide(stack, operation, CHECKER, "deny", {"note": "no such invoice"}), 200, "cancelled")
    assert denied["operation"]["decisions"][0]["note"] == "no such invoice"
    problem(await decide(stack, operation, OTHER), "decision_refused")
    assert await sent_writes(stack, "bank") == []
    again = order("invoice-1", amount={"currency": "GBP", "minor_units": 1000})
    done(await stack.write("POST", "/v1/payouts", again, "key-2"), 201)


async def test_the_maker_can_cancel_what_awaits_approval(stack: Stack) -> None:
    operation = await asked(stack)
    done(await stack.call.post(f"/v1/operations/{operation['id']}/cancel"), 200, "cancelled")
    problem(await decide(stack, operation, CHECKER), "decision_refused")


async def test_what_nobody_approves_in_time_expires(stack: Stack) -> None:
    operation = await asked(stack)
    done(await decide(stack, operation, CHECKER), 200, "awaiting_approval")
    assert (await later(stack, operation["id"], 3599))["operation"]["state"] == "awaiting_approval"
    assert (await later(stack, operation["id"], 1))["operation"]["state"] == "expired"
    problem(await decide(stack, operation, OTHER), "decision_refused")
    assert await sent_writes(stack, "bank") == []


async def test_an_approval_comes_too_late_where_the_gateway_has_not_yet_noticed(stack: Stack) -> None:
    operation = await asked(stack)
    stack.gateway.runner.clock = lambda: 4e9
    body = problem(await decide(stack, operation, CHECKER), "decision_refused")
    assert body["detail"] == "its time for approval is over"


async def test_what_was_approved_is_sent_by_whoever_finds_it(stack: Stack) -> None:
    """The gateway that took the last approval dies before it sends."""
    operation = await asked(stack)
    done(await decide(stack, operation, CHECKER), 200, "awaiting_approval")
    stack.gateway.runner.start = lambda operation, work: work.close()  # type: ignore[assignment, misc, return-value]
    done(await decide(stack, operation, OTHER), 200, "accepted")
    del stack.gateway.runner.start
    assert await sent_writes(stack, "bank") == []

    def end_lease(tx: Transaction) -> None:
        tx.execute("UPDATE operation SET lease_until = 0 WHERE id = ?", (operation["id"],))

    await stack.gateway.store.write(end_lease)
    await stack.gateway.runner.resume_due()
    assert await paid(stack) == 1001


async def test_the_last_approval_is_held_against_the_limits_and_can_be_given_again(tmp_path: Path) -> None:
    limits = of_connection("bank", amounts=gbp(per_payout=3000, per_day=3000))
    async with limited(tmp_path, approvals(TWO), limits) as (stack,):
        problem(await pay(stack, 9, 3001), "over_limit")
        operation = await asked(stack, 1, 2500)
        done(await pay(stack, 2, 600), 201)  # what awaits approval is not counted yet
        done(await decide(stack, operation, CHECKER), 200, "awaiting_approval")
        refused = problem(await decide(stack, operation, OTHER), "limit_reached")
        assert (refused["limit"]["limit"], refused["limit"]["left"]) == ("per_day", 2400)
        shown = (await stack.call.get(f"/v1/operations/{operation['id']}")).json()["operation"]
        assert (shown["state"], shown["approval"]["approved_by"]) == ("awaiting_approval", ["payouts:approve"])

        def yesterday(tx: Transaction) -> None:
            tx.execute("UPDATE operation SET accepted_at = accepted_at - 86400000")

        await stack.gateway.store.write(yesterday)
        done(await decide(stack, operation, OTHER))
        problem(await pay(stack, 3, 501), "limit_reached")
        assert await paid(stack) == 3100


async def test_the_strictest_policy_holds_wherever_it_stands(tmp_path: Path) -> None:
    policies = (LARGE | {"approvers": 1}, TWO | {"name": "very large"}, LARGE | {"name": "also", "approvers": 1})
    async with limited(tmp_path, approvals(*policies)) as (stack,):
        assert (await asked(stack))["approval"]["policy"] == "very large"


async def test_each_decision_is_in_the_audit_log(stack: Stack) -> None:
    operation = await asked(stack)
    await decide(stack, operation, CHECKER)
    await decide(stack, operation, OTHER)

    def entries(tx: Transaction) -> list[tuple[str, str, str]]:
        sql = "SELECT actor, event, state FROM audit WHERE operation = ? ORDER BY seq LIMIT 4"
        return [(actor, event, state) for actor, event, state in tx.execute(sql, (operation["id"],))]

    assert await stack.gateway.store.read(entries) == [
        ("everything", "submitted", "awaiting_approval"),
        ("payouts:approve", "approved", "awaiting_approval"),
        ("another", "approved", "accepted"),
        ("gateway", "sending", "sending"),
    ]
    assert (await stack.gateway.store.read(Audit().verify))[1] == []


@pytest.mark.parametrize("body", [{}, {"fingerprint": "abc"}, {"fingerprint": 1}, []])
async def test_an_approval_without_a_fingerprint_is_none(stack: Stack, body: Any) -> None:
    operation = await asked(stack)
    url = f"/v1/operations/{operation['id']}/approve"
    assert (await stack.call.post(url, json=body, headers=CHECKER)).status_code == 400
    assert await sent_writes(stack, "bank") == []


async def test_a_held_connection_takes_nothing_to_approve(stack: Stack) -> None:
    stack.gateway.connections["bank"].held = "test"
    stack.gateway.connections["bank"]._probed_at = float("inf")
    problem(await pay(stack, 1, 1001), "connection_held")
    await nothing_happened(stack)
