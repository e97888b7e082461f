"""What a provider's documented refusals become: credentials, unknown payouts, wrong states, rate limits."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import config_of, done, fresh, later, problem
from tests.conftest import Stack, four_simulators, order, stack_of

pytestmark = pytest.mark.anyio

# connection: a read of one payout, a mark, their operations at the provider
READS = {"aff": "get_payout", "promo": "list_payouts", "sway": "get_payout", "bank": "get_payout"}
SEEDED = {"aff": "po_test_0001", "promo": "2710287", "sway": "42", "bank": "po:test0001:sim"}
NO_403 = ("promo", 403)  # FirstPromoter documents none
MARKS = {
    "aff": ("approve", "approve_payout"),
    "promo": ("complete", "update_payout"),
    "sway": ("complete", "complete_payout"),
}


async def read(stack: Stack, name: str) -> httpx.Response:
    return await stack.call.get(f"/v1/payouts/{name}:{SEEDED[name]}")


async def write(stack: Stack, name: str, key: str = "key-1", reference: str = "invoice-1") -> httpx.Response:
    if name == "bank":
        return await stack.write("POST", "/v1/payouts", order(reference), key)
    return await stack.write("POST", f"/v1/payouts/{name}:{SEEDED[name]}/{MARKS[name][0]}", {}, key)


def written(name: str) -> str:
    return "create_payout" if name == "bank" else MARKS[name][1]


async def health(stack: Stack, name: str) -> tuple[str, str]:
    """As the connections and the readiness say it."""
    shown = (await stack.call.get("/v1/connections")).json()["data"]
    ready = (await stack.call.get("/health/ready")).json()
    return next(item["health"]["state"] for item in shown if item["name"] == name), ready["connections"][name]


@pytest.mark.parametrize(
    ("name", "status"), [(name, status) for name in SEEDED for status in (401, 403) if (name, status) != NO_403]
)
async def test_a_read_without_credentials_is_our_fault_and_holds_the_connection(
    stack: Stack, name: str, status: int
) -> None:
    await stack.fault(name, "status", READS[name], status=status, times=None)
    problem(await read(stack, name), "provider_failed")
    assert await health(stack, name) == ("held", "held")
    await stack.control(name, "DELETE", "faults")
    assert (await read(stack, name)).status_code == 200
    assert await health(stack, name) == ("ok", "ok")


async def test_a_403_that_no_document_names_says_nothing_of_our_credentials(hasty_stack: Stack) -> None:
    await hasty_stack.fault("promo", "status", "*", status=403, times=None)
    problem(await read(hasty_stack, "promo"), "provider_failed")
    assert await health(hasty_stack, "promo") == ("ok", "ok")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("name", ["aff", "sway", "bank"])
async def test_a_write_without_credentials_is_kept_and_sent_once_they_work(
    stack: Stack, name: str, status: int
) -> None:
    await stack.fault(name, "status", written(name), status=status, times=None)
    await stack.fault(name, "status", "list_payouts", status=status, times=None)
    held = done(await write(stack, name), 202, "accepted")
    assert held["operation"]["reason"] == "credentials"
    assert await health(stack, name) == ("held", "held")
    refused = await write(stack, name, "key-2", "invoice-2")
    problem(refused, "connection_held")
    assert int(refused.headers["retry-after"]) > 0
    listed = (await stack.call.get("/v1/operations")).json()["data"]
    assert [item["id"] for item in listed] == [held["operation"]["id"]]

    await stack.control(name, "DELETE", "faults")
    assert await stack.executed(name) == []
    assert (await read(stack, name)).status_code == 200
    assert await health(stack, name) == ("ok", "ok")
    after = await later(stack, held["operation"]["id"])
    assert after["operation"]["state"] == "succeeded"
    assert len(await stack.executed(name, written(name))) == 1


async def test_a_replay_on_a_held_connection_still_shows_its_operation(stack: Stack) -> None:
    await stack.fault("aff", "unauthorized", "*", times=None)
    first = done(await write(stack, "aff"), 202, "accepted")
    again = await write(stack, "aff")
    assert done(again, 202, "accepted")["operation"]["id"] == first["operation"]["id"]
    assert again.headers["idempotent-replayed"] == "true"


async def logins(stack: Stack) -> int:
    log = await stack.control("sway", "GET", "log")
    return sum(entry["operation"] == "create_access_token" for entry in log)


async def test_a_revoked_token_is_minted_again_once_and_nobody_notices(stack: Stack) -> None:
    assert (await read(stack, "sway")).status_code == 200
    await stack.control("sway", "POST", "revoke")
    done(await write(stack, "sway"))
    assert await logins(stack) == 2
    assert len(await stack.executed("sway", "complete_payout")) == 1
    await stack.control("sway", "POST", "revoke")
    assert (await read(stack, "sway")).status_code == 200
    assert await logins(stack) == 3


async def test_many_calls_at_once_share_one_login(stack: Stack) -> None:
    answers = await asyncio.gather(*(read(stack, "sway") for _ in range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert await logins(stack) == 1


async def test_a_login_that_is_refused_holds_the_connection(stack: Stack) -> None:
    await stack.fault("sway", "unauthorized", "create_access_token", times=None)
    problem(await read(stack, "sway"), "provider_failed")
    assert await health(stack, "sway") == ("held", "held")
    problem(await write(stack, "sway"), "connection_held")
    assert await stack.executed("sway") == []


WRITTEN = {
    ("aff", "approve"): "approve_payout",
    ("aff", "complete"): "mark_payout_paid",
    ("promo", "process"): "update_payout",
    ("promo", "complete"): "update_payout",
    ("sway", "process"): "mark_payout_processing",
    ("sway", "complete"): "complete_payout",
    ("sway", "fail"): "fail_payout",
    ("bank", "create"): "create_payout",
}
REFUSED: list[tuple[str, str, int, str, str]] = [
    # connection, mark, the provider's status, the problem, the operation's reason
    ("aff", "approve", 404, "payout_not_found", "not_found"),
    ("aff", "complete", 400, "refused_by_provider", "invalid"),
    ("promo", "complete", 404, "payout_not_found", "not_found"),
    ("promo", "process", 422, "refused_by_provider", "invalid"),
    ("sway", "process", 404, "payout_not_found", "not_found"),
    ("sway", "complete", 409, "conflict", "conflict"),
    ("sway", "fail", 422, "refused_by_provider", "invalid"),
    ("bank", "create", 400, "refused_by_provider", "invalid"),
    ("bank", "create", 404, "payout_not_found", "not_found"),
]


@pytest.mark.parametrize(("name", "mark", "status", "kind", "reason"), REFUSED)
async def test_a_documented_refusal_rejects_the_operation_and_carries_it(
    hasty_stack: Stack, name: str, mark: str, status: int, kind: str, reason: str
) -> None:
    stack, id = hasty_stack, await fresh(hasty_stack, name)
    await stack.fault(name, "status", WRITTEN[name, mark], status=status)
    if mark == "create":
        answer = await stack.write("POST", "/v1/payouts", order(id), id)
    else:
        answer = await stack.write("POST", f"/v1/payouts/{id}/{mark}", {"reference": "TXN-1"}, id)
    operation = problem(answer, kind)["operation"]
    assert (operation["state"], operation["reason"]) == ("rejected", reason)
    assert [attempt["http_status"] for attempt in operation["attempts"]] == [status]
    assert id.partition(":")[2] not in [id for entry in await stack.executed(name) for id in entry["ids"]]
    again = await stack.write("POST", "/v1/payouts", order(id), id) if mark == "create" else None
    if again is not None:
        assert again.headers["idempotent-replayed"] == "true"
        assert problem(again, kind)["operation"]["id"] == operation["id"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("aff:po_test_9999/approve", "payout_not_found"),
        ("promo:9999/complete", "payout_not_found"),
        ("sway:9999/complete", "payout_not_found"),
        ("sway:46/complete", "conflict"),
        ("sway:41/process", "conflict"),
    ],
)
async def test_a_mark_on_a_payout_that_cannot_take_it(stack: Stack, path: str, kind: str) -> None:
    body = problem(await stack.write("POST", f"/v1/payouts/{path}", {}), kind)
    assert body["operation"]["state"] == "rejected"
    name = path.partition(":")[0]
    assert await stack.executed(name) == []


@pytest.mark.parametrize("name", ["aff", "promo", "sway", "bank"])
async def test_a_payout_that_nobody_knows_is_404(stack: Stack, name: str) -> None:
    id = {"aff": "po_test_9999", "bank": "po:none:sim"}.get(name, "999999")
    problem(await stack.call.get(f"/v1/payouts/{name}:{id}"), "payout_not_found")


@pytest.mark.parametrize(("name", "state"), [("promo", "accepted"), ("sway", "accepted"), ("bank", "unknown")])
async def test_a_rate_limited_write_waits_its_turn(hasty_stack: Stack, name: str, state: str) -> None:
    stack, id = hasty_stack, await fresh(hasty_stack, name)
    await stack.fault(name, "rate_limited", written(name), retry_after=90)
    path = "/v1/payouts" if name == "bank" else f"/v1/payouts/{id}/complete"
    answer = await stack.write("POST", path, order(id) if name == "bank" else {}, id)
    operation = done(answer, 202, state)["operation"]
    assert operation["reason"] == "rate_limited"
    after = await later(stack, operation["id"])
    assert after["operation"]["state"] == "succeeded"
    assert len([entry for entry in await stack.executed(name) if entry["ids"][0] in after["payout"]["id"]]) == 1


@pytest.mark.parametrize("name", ["promo", "sway", "bank"])
async def test_a_rate_limited_read_says_when_to_come_back(stack: Stack, name: str) -> None:
    await stack.fault(name, "rate_limited", READS[name], retry_after=7, times=None)
    answer = await read(stack, name)
    problem(answer, "provider_failed")
    assert answer.headers["retry-after"] == "7"
    assert await health(stack, name) == ("ok", "ok")


async def test_a_provider_that_is_not_there_gets_the_write_later(tmp_path: Path) -> None:
    async with four_simulators() as simulators:
        raw: Any = config_of(simulators, tmp_path)
        with socket.create_server(("127.0.0.1", 0)) as gone:
            raw["connections"]["promo"]["base_url"] = f"http://127.0.0.1:{gone.getsockname()[1]}"
        async with stack_of(raw, simulators) as stack:
            problem(await read(stack, "promo"), "provider_failed")
            operation = done(await write(stack, "promo"), 202, "accepted")["operation"]
            assert (operation["reason"], operation["attempts"][0]["sent"]) == ("not_sent", False)
            stack.gateway.connections["promo"].upstream.base_url = simulators["promo"].url
            assert (await later(stack, operation["id"]))["operation"]["state"] == "succeeded"


async def test_what_nobody_foresaw_is_told_to_the_log_and_not_to_the_caller(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("test-inside")

    monkeypatch.setattr(stack.gateway.reader, "payout", broken)
    answer = await stack.call.get("/v1/payouts/sway:42")
    problem(answer, "internal")
    assert "test-inside" not in answer.text
    assert [record.getMessage() for record in caplog.records if record.name == "gateway.api"] == [
        "unforeseen error in GET /v1/payouts/sway:42"
    ]
