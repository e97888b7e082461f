"""A write is sent once, whatever its caller does, and its answer says what is proven."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.store.interface import JournalUnavailable
from tests.api.conftest import done, problem
from tests.conftest import TEST_KEY, Stack, order

pytestmark = pytest.mark.anyio

WRITES: list[tuple[str, str, str, Any, str]] = [
    # connection, method, path, body, another body
    ("bank", "POST", "/v1/payouts", order(), "description"),
    ("aff", "POST", "/v1/payouts/aff:po_test_0002/complete", {"reference": "TXN-1"}, "reference"),
    ("promo", "POST", "/v1/payouts/promo:2710287/complete", {"notes": "Paid"}, "notes"),
    ("sway", "POST", "/v1/payouts/sway:42/complete", {"reference": "TXN-1"}, "reference"),
    ("sway", "POST", "/v1/payout-requests/sway:10/reject", {"reason": "Too early"}, "reason"),
    ("sway", "POST", "/v1/payouts/bulk/complete", {"ids": ["sway:42"], "notes": "Paid"}, "notes"),
]


def ids_in(answer: httpx.Response) -> list[str]:
    body = answer.json()
    return [item["operation"]["id"] for item in body.get("data", [body])]


@pytest.mark.parametrize(("connection", "method", "path", "body", "field"), WRITES)
async def test_the_same_key_and_request_is_the_same_operation(
    stack: Stack, connection: str, method: str, path: str, body: Any, field: str
) -> None:
    first = await stack.write(method, path, body)
    assert "idempotent-replayed" not in first.headers
    other_spelling = json.dumps(dict(reversed(body.items())), indent=3)
    headers = {"Idempotency-Key": "key-1", "Content-Type": "application/json; charset=utf-8"}
    for again in (
        await stack.write(method, path, body),
        await stack.call.request(method, path, content=other_spelling, headers=headers),
    ):
        assert again.status_code == first.status_code
        assert again.headers["idempotent-replayed"] == "true"
        assert ids_in(again) == ids_in(first)
    assert len(await stack.executed(connection)) == 1


@pytest.mark.parametrize(
    "fault", [{}, {"fault": "reset"}, {"fault": "status", "status": 404}, {"fault": "status", "status": 500}]
)
@pytest.mark.parametrize(("connection", "method", "path", "body", "field"), WRITES)
async def test_an_answer_tells_the_attempts_that_the_journal_has(
    stack: Stack, connection: str, method: str, path: str, body: Any, field: str, fault: dict[str, Any]
) -> None:
    if fault:
        await stack.fault(connection, **fault)
    answer = (await stack.write(method, path, body)).json()
    for item in answer.get("data", [answer]):
        told = item["operation"]
        known = (await stack.call.get(f"/v1/operations/{told['id']}")).json()
        assert told["attempts"] == known["operation"]["attempts"]
        assert [attempt["outcome"] is None for attempt in told["attempts"]] == [False]


async def test_what_was_just_sent_is_answered_without_asking_the_journal(stack: Stack) -> None:
    async def unasked(work: Any) -> Any:
        raise AssertionError("the journal was read")

    stack.gateway.store.read = unasked  # type: ignore[method-assign]
    done(await stack.write("POST", "/v1/payouts", order()), 201)
    done(await stack.write("POST", "/v1/payouts/sway:42/complete", {"reference": "TXN-1"}, "key-2"))


async def test_a_send_whose_outcome_cannot_be_recorded_is_answered_as_under_way(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    async def unrecorded(*given: Any, **named: Any) -> Any:
        raise JournalUnavailable("test: the disk is full")

    stack.gateway.runner.record = unrecorded  # type: ignore[method-assign]
    answer = done(await stack.write("POST", "/v1/payouts", order()), 202, "sending")
    assert [attempt["outcome"] for attempt in answer["operation"]["attempts"]] == [None]
    assert len(await stack.executed("bank", "create_payout")) == 1
    assert stack.gateway.runner.tasks == {}
    assert "was interrupted" in caplog.text


@pytest.mark.parametrize(("connection", "method", "path", "body", "field"), WRITES)
async def test_a_key_belongs_to_one_request(
    stack: Stack, connection: str, method: str, path: str, body: Any, field: str
) -> None:
    first = await stack.write(method, path, body)
    other = await stack.write(method, path, body | {field: "Something else"})
    assert ids_in(first)[0] in problem(other, "idempotency_key_reused")["detail"]
    elsewhere = await stack.write("POST", "/v1/payouts/promo:2710292/process", {})
    problem(elsewhere, "idempotency_key_reused")
    assert len(await stack.executed(connection)) == 1
    assert len(await stack.executed("promo")) == (connection == "promo")


@pytest.mark.parametrize(("connection", "method", "path", "body", "field"), WRITES[:4])
async def test_32_clients_with_one_key_execute_once(
    stack: Stack, connection: str, method: str, path: str, body: Any, field: str
) -> None:
    answers = await asyncio.gather(*(stack.write(method, path, body) for _ in range(32)))
    assert {answer.status_code for answer in answers} == {201 if path == "/v1/payouts" else 200}
    assert len({ids_in(answer)[0] for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 31
    assert len(await stack.executed(connection)) == 1


async def test_32_clients_with_32_keys_and_one_payout_execute_once(stack: Stack) -> None:
    await stack.fault("sway", "delay", "complete_payout", seconds=0.3)
    writes = (
        stack.write("POST", "/v1/payouts/sway:42/complete", {"reference": "TXN-1"}, f"key-{n}") for n in range(32)
    )
    answers = await asyncio.gather(*writes)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 31
    assert len(await stack.executed("sway")) == 1


async def test_a_caller_waits_as_long_as_he_prefers(stack: Stack) -> None:
    await stack.fault("bank", "delay", "create_payout", seconds=0.5)
    answer = await stack.write("POST", "/v1/payouts", order(), Prefer="respond-async")
    operation = done(answer, 202, "sending")["operation"]
    assert operation["attempts"][0]["sent"] is None
    assert answer.json()["payout"] is None
    waited = await stack.write("POST", "/v1/payouts", order(), Prefer="wait=5")
    assert done(waited, 201)["operation"]["id"] == operation["id"]
    shown = (await stack.call.get(answer.headers["location"])).json()
    assert shown["operation"]["attempts"][0]["sent"] is True
    assert shown["payout"]["id"] == waited.json()["payout"]["id"]


async def test_wait_0_answers_at_once(stack: Stack) -> None:
    await stack.fault("sway", "delay", "complete_payout", seconds=0.5)
    done(await stack.write("POST", "/v1/payouts/sway:42/complete", {}, Prefer="wait=0"), 202, "sending")


async def test_hanging_up_cancels_nothing(stack: Stack) -> None:
    await stack.fault("bank", "delay", "create_payout", seconds=0.3)
    headers = {"Authorization": f"Bearer {TEST_KEY}", "Idempotency-Key": "key-1"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=0.1, trust_env=False) as impatient:
        with pytest.raises(httpx.ReadTimeout):
            await impatient.post("/v1/payouts", json=order())
    again = await stack.write("POST", "/v1/payouts", order())
    assert done(again, 201)["operation"]["attempts"][0]["http_status"] == 200
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await stack.executed("bank")) == 1


async def test_a_reference_whose_payout_may_not_exist_is_not_called_created(stack: Stack) -> None:
    await stack.fault("bank", "reset", "*", times=None)
    assert (await stack.write("POST", "/v1/payouts", order(), "key-1")).json()["operation"]["state"] == "unknown"
    title = problem(await stack.write("POST", "/v1/payouts", order(), "key-2"), "duplicate_reference")["title"]
    assert title == "A payout with this reference was asked for already"


async def test_a_reference_is_created_once_per_tenant(stack: Stack) -> None:
    first = done(await stack.write("POST", "/v1/payouts", order(), "key-1"), 201)["operation"]["id"]
    second = await stack.write("POST", "/v1/payouts", order(description="Invoice 2026 002"), "key-2")
    assert first in problem(second, "duplicate_reference")["detail"]
    assert len(await stack.executed("bank")) == 1
    stranger = {"Authorization": "Bearer test-key-of-a-stranger"}
    done(await stack.write("POST", "/v1/payouts", order(), "key-3", **stranger), 201)
    references = [entry["reference"] for entry in await stack.executed("bank")]
    assert len(set(references)) == 2


async def test_a_rejected_create_leaves_its_reference_free(stack: Stack) -> None:
    await stack.fault("bank", "status", "create_payout", status=400)
    problem(await stack.write("POST", "/v1/payouts", order(), "key-1"), "refused_by_provider")
    done(await stack.write("POST", "/v1/payouts", order(), "key-2"), 201)


async def test_a_payout_has_one_open_write(stack: Stack) -> None:
    await stack.fault("sway", "delay", "complete_payout", seconds=0.4)
    path = "/v1/payouts/sway:42"
    first = done(await stack.write("POST", f"{path}/complete", {}, "key-1", Prefer="respond-async"), 202, "sending")
    stranger = {"Authorization": "Bearer test-key-of-a-stranger"}
    for headers in ({}, stranger):
        problem(await stack.write("POST", f"{path}/fail", {}, "key-2", **headers), "payout_busy")
    done(await stack.write("POST", f"{path}/complete", {}, "key-1"))
    assert len((await stack.call.get("/v1/operations")).json()["data"]) == 1
    assert first["operation"]["action"] == "complete"
