"""What people may decide: only what is safe, and the dangerous only as a second person."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from gateway.engine.machine import Verdict
from gateway.operation import Operation, State
from gateway.store.questions import find
from tests.conftest import Stack, order

pytestmark = pytest.mark.anyio

CHECKER = {"Authorization": "Bearer test-payouts:approve"}


async def operation_of(stack: Stack, id: str) -> Operation:
    found = await stack.gateway.store.read(lambda tx: find(tx, None, id))
    assert found is not None
    return found


async def absent_create(stack: Stack) -> str:
    """A create that never reached the provider's books, though it may have: after the window a person's case."""
    await stack.fault("bank", "reset", "create_payout", when="before")
    reply = await stack.write("POST", "/v1/payouts", order())
    assert reply.status_code == 202
    id: str = reply.json()["operation"]["id"]
    runner = stack.gateway.runner
    runner.clock = lambda: time.time() + 1000
    await runner.look_up(await operation_of(stack, id))
    runner.clock = time.time
    assert (await operation_of(stack, id)).state == "needs_review"
    return id


async def decide(stack: Stack, id: str, decision: str, body: Any = None, checker: bool = True) -> httpx.Response:
    headers = CHECKER if checker else {}
    return await stack.call.post(f"/v1/operations/{id}/{decision}", json=body, headers=headers)


async def test_a_second_person_releases_what_the_provider_does_not_show(stack: Stack) -> None:
    id = await absent_create(stack)
    reply = await decide(stack, id, "release")
    assert reply.status_code == 200, reply.text
    assert reply.json()["operation"]["state"] == "succeeded"
    assert reply.json()["operation"]["decisions"][0]["by"] == "payouts:approve"
    sent = await stack.executed("bank", "create_payout")
    assert len(sent) == 1
    again = await decide(stack, id, "release")
    assert again.status_code == 409
    assert len(await stack.executed("bank", "create_payout")) == 1


async def test_a_release_adopts_what_has_appeared_meanwhile_and_sends_nothing(stack: Stack) -> None:
    await stack.fault("bank", "reset", "create_payout", when="after")
    await stack.fault("bank", "status", "list_payouts", status=503, times=3)
    id = (await stack.write("POST", "/v1/payouts", order())).json()["operation"]["id"]
    runner = stack.gateway.runner
    parked = await operation_of(stack, id)
    await runner.record(parked, Verdict(State.NEEDS_REVIEW), None)
    reply = await decide(stack, id, "release")
    assert reply.status_code == 200, reply.text
    assert reply.json()["operation"]["state"] == "succeeded"
    assert len(await stack.executed("bank", "create_payout")) == 1


async def test_a_release_without_an_answered_look_up_sends_nothing(stack: Stack) -> None:
    id = await absent_create(stack)
    await stack.fault("bank", "status", "list_payouts", status=503, times=10)
    reply = await decide(stack, id, "release")
    assert reply.status_code == 409
    assert await stack.executed("bank", "create_payout") == []


async def test_a_release_that_was_sent_is_never_answered_as_unsent(stack: Stack) -> None:
    """The journal is lost between the send and its recording: what was released is still being followed."""
    id = await absent_create(stack)
    await stack.fault("bank", "delay", "create_payout", seconds=0.3, when="after")
    answer = asyncio.ensure_future(decide(stack, id, "release"))
    async with asyncio.timeout(5):
        while not await stack.executed("bank", "create_payout"):
            await asyncio.sleep(0.01)
    await stack.gateway.store.close()
    answered = await answer
    assert answered.status_code == 200, answered.text
    assert answered.json()["operation"]["state"] == "sending"


@pytest.mark.parametrize(("decision", "body"), [("release", None), ("close", {"verdict": "executed", "note": "x"})])
async def test_the_maker_cannot_decide_alone(stack: Stack, decision: str, body: Any) -> None:
    id = await absent_create(stack)
    reply = await decide(stack, id, decision, body, checker=False)
    assert reply.status_code == 403
    assert reply.json()["type"].endswith("same_person")


async def test_a_close_keeps_the_verdict_and_the_watching(stack: Stack) -> None:
    id = await absent_create(stack)
    body = {"verdict": "not_executed", "note": "asked the bank on the phone"}
    shown = (await decide(stack, id, "close", body)).json()["operation"]
    assert shown["state"] == "closed"
    assert shown["decisions"][0]["verdict"] == "not_executed"
    assert shown["next"]["step"] == "look_up"
    assert (await decide(stack, id, "close", body)).json()["operation"]["decisions"] == shown["decisions"]


async def test_what_was_refused_before_leaving_can_be_cancelled(stack: Stack) -> None:
    connection = stack.gateway.connections["bank"]
    base, connection.upstream.base_url = connection.upstream.base_url, "http://127.0.0.1:1"
    reply = await stack.write("POST", "/v1/payouts", order())
    assert reply.status_code == 202
    assert reply.json()["operation"]["state"] == "accepted"
    assert reply.json()["operation"]["attempts"][0]["sent"] is False
    id = reply.json()["operation"]["id"]
    cancelled = await decide(stack, id, "cancel", checker=False)
    assert cancelled.json()["operation"]["state"] == "cancelled"
    connection.upstream.base_url = base
    await stack.gateway.runner.resume_due()
    assert await stack.executed("bank", "create_payout") == []
    assert (await stack.write("POST", "/v1/payouts", order(), key="key-2")).status_code == 201


async def test_what_may_have_left_cannot_be_cancelled(stack: Stack) -> None:
    id = await absent_create(stack)
    assert (await decide(stack, id, "cancel", checker=False)).status_code == 409


async def test_a_foreign_operation_does_not_exist(stack: Stack) -> None:
    id = await absent_create(stack)
    stranger = {"Authorization": "Bearer test-key-of-a-stranger"}
    for decision in ("cancel", "release"):
        reply = await stack.call.post(f"/v1/operations/{id}/{decision}", headers=stranger)
        assert reply.status_code == 404


async def test_the_history_keeps_what_the_provider_has_no_place_for(stack: Stack) -> None:
    body = {"reference": "PP-1", "notes": "paid by hand"}
    assert (await stack.write("POST", "/v1/payouts/promo:2710287/complete", body)).status_code == 200
    history = (await stack.call.get("/v1/payouts/promo:2710287/history")).json()
    assert history["observations"][0]["status"] == "completed"
    written = history["operations"][0]
    assert (written["reference"], written["notes"], written["carried"]) == ("PP-1", "paid by hand", [])


async def test_what_could_not_be_sent_in_time_never_is(stack: Stack) -> None:
    connection = stack.gateway.connections["sway"]
    base, connection.upstream.base_url = connection.upstream.base_url, "http://127.0.0.1:1"
    reply = await stack.write("POST", "/v1/payouts/sway:42/complete", {"reference": "TXN-1"})
    operation = await operation_of(stack, reply.json()["operation"]["id"])
    connection.upstream.base_url = base
    runner = stack.gateway.runner
    runner.clock = lambda: time.time() + runner.knobs.expires_after + 1
    expired = await runner.resume(operation)
    assert expired.state == "expired"
    assert await stack.executed("sway", "complete_payout") == []
