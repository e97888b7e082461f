"""Reload: validate, build, swap, drain the old. What cannot be taken in force changes nothing and says so."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import metrics
from gateway.config import load
from gateway.engine import reloading, running
from gateway.engine.reloading import Service
from gateway.keys import hashed
from tests.api.conftest import done, problem
from tests.conftest import Stack, four_simulators, order, raw_config, stack_of
from tests.toml import written

pytestmark = pytest.mark.anyio

RELOAD = "/v1/admin/reload"


@pytest.fixture(autouse=True)
def _prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits its turn has it within a few calls: none of these claims is about seconds."""
    monkeypatch.setattr(running, "IDLE_SECONDS", 0.005)
    monkeypatch.setattr(reloading, "CHECK_SECONDS", 0.005)


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A gateway that was started with a file."""
    async with four_simulators() as simulators:
        raw = raw_config(simulators, tmp_path)
        async with stack_of(raw, simulators, written(raw, tmp_path / "gateway.toml")) as made:
            yield made


def changed(stack: Stack, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the file that the gateway was started with."""
    raw = copy.deepcopy(stack.config)
    change(raw)
    written(raw, stack.file)


async def ready(stack: Stack) -> dict[str, Any]:
    answer: dict[str, Any] = (await stack.call.get("/health/ready")).json()
    return answer


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def remove(raw: dict[str, Any]) -> None:
        del raw["connections"][name]
        raw["routes"] = [route for route in raw["routes"] if name not in route["to"]]

    return remove


def reloads(outcome: str) -> float:
    return metrics.registry.get_sample_value("payout_gateway_config_reloads_total", {"outcome": outcome}) or 0.0


async def test_a_good_config_is_in_force_at_once_and_its_version_is_shown_everywhere(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.config")
    before, count = (await ready(stack))["config"], reloads("applied")
    new_key = {"name": "new", "sha256": hashed("test-new"), "scopes": ["payouts:read"]}
    changed(stack, lambda raw: raw["api_keys"].append(new_key))
    version = load(stack.file).version
    assert (await stack.call.post(RELOAD)).json() == {"config": version, "before": before}
    shown = await ready(stack)
    assert (shown["config"], shown["last_reload"]["outcome"]) == (version, "applied")
    assert reloads("applied") == count + 1
    assert f'payout_gateway_config_info{{hash="{version}"}} 1.0' in (await stack.call.get("/metrics")).text
    listed = await stack.call.get("/v1/connections", headers={"Authorization": "Bearer test-new"})
    assert listed.json()["config"] == version
    assert f"config {version} is in force" in caplog.text


async def test_a_key_that_is_gone_from_the_file_works_no_more(stack: Stack) -> None:
    changed(stack, lambda raw: raw["api_keys"].pop(1))
    stranger = {"Authorization": "Bearer test-key-of-a-stranger"}
    assert (await stack.call.get("/v1/operations", headers=stranger)).status_code == 200
    await stack.call.post(RELOAD)
    problem(await stack.call.get("/v1/operations", headers=stranger), "unauthenticated")


async def test_a_bad_file_leaves_the_old_config_in_force_and_says_where(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    before, count = (await ready(stack))["config"], reloads("invalid")
    changed(stack, lambda raw: raw["connections"]["bank"].update(timeout=0, credentials={"api_key": "test-pasted"}))
    problem(await stack.call.post(RELOAD), "config_refused", "connections.bank.timeout", "connections.bank.credentials")
    shown = await ready(stack)
    assert shown["config"] == before
    assert shown["last_reload"]["outcome"] == "invalid"
    assert shown["last_reload"]["at_fault"] == ["connections.bank.timeout", "connections.bank.credentials"]
    assert reloads("invalid") == count + 1
    assert f"config {before} stays in force" in caplog.text
    assert "connections.bank.timeout" in caplog.text
    assert "test-pasted" not in caplog.text + str(shown)
    assert (await stack.write("POST", "/v1/payouts", order())).status_code == 201


FIXED = {
    "server.port": lambda raw: raw["server"].update(port=1),
    "server.host": lambda raw: raw["server"].update(host="::1"),
    "server.body_limit": lambda raw: raw["server"].update(body_limit=2048),
    "journal.url": lambda raw: raw["journal"].update(url="sqlite:///other.db"),
    "redis.url": lambda raw: raw.update(redis={"url": "redis://127.0.0.1:1/0"}),
    "audit.key": lambda raw: raw.update(audit={"key": "env:PATH"}),
    "audit.anchor": lambda raw: raw.update(audit={"anchor": "other.anchor"}),
}


@pytest.mark.parametrize("path", FIXED)
async def test_what_cannot_change_by_reload_is_refused_by_name(stack: Stack, path: str) -> None:
    changed(stack, FIXED[path])
    problem(await stack.call.post(RELOAD), "config_refused", path)


async def test_a_gateway_without_a_file_says_that_it_has_none(tmp_path: Path) -> None:
    async with four_simulators() as simulators, stack_of(raw_config(simulators, tmp_path), simulators) as stack:
        body = problem(await stack.call.post(RELOAD), "config_refused", "the file")
        assert "without one" in body["errors"][0]["message"]


async def left_open(stack: Stack) -> str:
    """An operation on `bank` that may have been executed, and that nobody can look up now."""
    await stack.fault("bank", "reset", "create_payout", when="after")
    await stack.fault("bank", "status", "list_payouts", status=503, times=None)
    answer = await stack.write("POST", "/v1/payouts", order(), Prefer="wait=1")
    assert answer.status_code == 202, answer.text
    id: str = answer.json()["operation"]["id"]
    return id


OTHER_ACCOUNTS = {
    "another base URL": lambda raw: raw["connections"]["bank"].update(base_url="http://127.0.0.1:1"),
    "another debtor": lambda raw: raw["connections"]["bank"].update(settings={"debtor_account_id": "test-other"}),
    "another provider": lambda raw: raw.update(routes=[]) or raw["connections"].update(bank=raw["connections"]["aff"]),
}


async def test_a_connection_with_open_operations_stays(stack: Stack) -> None:
    id = await left_open(stack)
    changed(stack, without("bank"))
    count = reloads("refused")
    body = problem(await stack.call.post(RELOAD), "config_refused", "connections.bank")
    assert "1 open operations" in body["errors"][0]["message"]
    assert (await ready(stack))["last_reload"]["outcome"] == "refused"
    assert reloads("refused") == count + 1
    assert (await stack.call.get(f"/v1/operations/{id}")).json()["operation"]["connection"] == "bank"
    assert (await stack.call.get("/v1/payouts/bank:po:test0002:sim")).status_code == 200


@pytest.mark.parametrize("change", OTHER_ACCOUNTS.values(), ids=OTHER_ACCOUNTS.keys())
async def test_a_name_stays_that_of_its_account(stack: Stack, change: Callable[[dict[str, Any]], object]) -> None:
    changed(stack, change)
    body = problem(await stack.call.post(RELOAD), "config_refused", "connections.bank")
    assert "a name of its own" in body["errors"][0]["message"]
    done(await stack.write("POST", "/v1/payouts", order()), 201)


async def test_a_name_comes_back_only_when_what_it_was_has_ended(stack: Stack) -> None:
    before = stack.file.read_text()
    with stack.service.current.uses.one():
        changed(stack, without("bank"))
        assert (await stack.call.post(RELOAD)).status_code == 200
        stack.file.write_text(before)
        problem(await stack.call.post(RELOAD), "config_refused", "connections.bank")
    await until_drained(stack.service)
    assert (await stack.call.post(RELOAD)).status_code == 200


async def test_what_is_queued_when_its_connection_is_paused_is_not_sent(stack: Stack) -> None:
    queue = stack.service.current.connections["sway"].turns = asyncio.Semaphore(0)
    body = {"ids": ["sway:42"]}
    answer = await stack.write("POST", "/v1/payouts/bulk/process", body, Prefer="respond-async")
    id = answer.json()["data"][0]["operation"]["id"]
    changed(stack, lambda raw: raw["connections"]["sway"].update(state="paused"))
    assert (await stack.call.post(RELOAD)).status_code == 200
    queue.release()
    await until_drained(stack.service)
    assert (await stack.call.get(f"/v1/operations/{id}")).json()["operation"]["state"] == "accepted"
    assert await stack.executed("sway") == []


async def test_a_connection_whose_operations_have_ended_may_go(stack: Stack) -> None:
    made = done(await stack.write("POST", "/v1/payouts", order()), 201)
    changed(stack, without("bank"))
    assert (await stack.call.post(RELOAD)).status_code == 200
    problem(await stack.call.get(f"/v1/payouts/{made['payout']['id']}"), "unknown_connection")
    shown = (await stack.call.get(f"/v1/operations/{made['operation']['id']}")).json()
    assert shown["operation"]["state"] == "succeeded"


async def test_an_open_operation_is_followed_to_its_end_after_a_reload(stack: Stack) -> None:
    id = await left_open(stack)
    changed(stack, lambda raw: raw["connections"]["bank"].update(timeout=7.0))
    assert (await stack.call.post(RELOAD)).status_code == 200
    await stack.control("bank", "DELETE", "faults")
    current = stack.service.current
    assert current.connections["bank"].upstream.timeout == 7.0
    await stack.gateway.store.write(lambda tx: tx.execute("UPDATE operation SET due_at = 1 WHERE id = ?", (id,)))
    async with asyncio.timeout(10):
        while (await stack.call.get(f"/v1/operations/{id}")).json()["operation"]["state"] != "succeeded":
            await asyncio.sleep(0.01)


async def until_drained(service: Service) -> None:
    async with asyncio.timeout(10):
        while service.draining:
            await asyncio.sleep(0.01)


async def some_time(stack: Stack) -> None:
    """Enough calls for whatever waits its turn to have had it."""
    for _ in range(30):
        await stack.call.get("/health/ready")


async def test_a_gateway_that_still_answers_a_call_is_not_taken_apart(stack: Stack) -> None:
    old = stack.service.current
    changed(stack, lambda raw: raw["connections"]["sway"].update(timeout=7.0))
    with old.uses.one():
        assert (await stack.call.post(RELOAD)).status_code == 200
        await some_time(stack)
        assert stack.service.draining == [old]
        assert not old.connections["sway"].upstream.transport.closed
    await until_drained(stack.service)


async def test_a_call_under_way_ends_with_the_config_that_it_began_with(stack: Stack) -> None:
    await stack.fault("sway", "delay", "complete_payout", seconds=0.5)
    old = stack.service.current
    marking = asyncio.create_task(stack.write("POST", "/v1/payouts/sway:42/complete", {"reference": "TXN-1"}))
    while not old.runner.tasks:
        await asyncio.sleep(0.005)
    changed(stack, lambda raw: raw["connections"]["sway"].update(timeout=7.0))
    assert (await stack.call.post(RELOAD)).status_code == 200
    assert stack.service.current is not old
    assert not old.connections["sway"].upstream.transport.closed
    done(await marking)
    await until_drained(stack.service)
    assert old.connections["sway"].upstream.transport.closed


async def test_a_call_that_came_before_its_connection_went_is_answered_by_it(stack: Stack) -> None:
    reloaded = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"reference": '
        await reloaded.wait()
        yield b'"TXN-1"}'

    old = stack.service.current
    headers = {"Idempotency-Key": "key-1", "Content-Type": "application/json"}
    asked = stack.call.post("/v1/payouts/sway:42/complete", content=slowly(), headers=headers)
    marking = asyncio.create_task(asked)
    while not old.uses.count:
        await asyncio.sleep(0.005)
    changed(stack, without("sway"))
    assert (await stack.call.post(RELOAD)).status_code == 200
    reloaded.set()
    assert done(await marking)["payout"]["id"] == "sway:42"
    problem(await stack.call.get("/v1/payouts/sway:42"), "unknown_connection")


async def test_a_connection_that_is_not_changed_goes_on_as_it_is(stack: Stack) -> None:
    old = stack.service.current
    changed(stack, lambda raw: raw["connections"]["sway"].update(timeout=7.0))
    await stack.call.post(RELOAD)
    await until_drained(stack.service)
    new = stack.service.current
    assert new.connections["bank"] is old.connections["bank"]
    assert new.connections["sway"] is not old.connections["sway"]
    assert not new.connections["bank"].upstream.transport.closed


async def test_what_was_accepted_at_the_last_moment_is_followed_by_the_gateway_that_took_it(stack: Stack) -> None:
    """Another gateway of the same journal, or a call under way, may accept between the check and the swap."""
    changed(stack, without("bank"))
    old = stack.service.current
    with old.uses.one():
        assert (await stack.call.post(RELOAD)).status_code == 200
        await stack.gateway.store.write(lambda tx: tx.execute(LAST_MOMENT))
    await some_time(stack)
    assert "bank" not in stack.service.current.runner.follows
    assert old.runner.follows == {"bank"}
    await stack.gateway.store.write(lambda tx: tx.execute("UPDATE operation SET state = 'succeeded', due_at = NULL"))
    await until_drained(stack.service)
    assert old.connections["bank"].upstream.transport.closed
    current = stack.service.current
    assert current.runner.follows == set(current.connections)


LAST_MOMENT = """
INSERT INTO operation (id, tenant, maker, key, item, fingerprint, action, kind, connection, effect, request, carried,
    state, unsure, acknowledged, resends, attempts, sent_at, fence, decisions, created_at, updated_at)
VALUES ('op_1', 'default', 'everything', 'key-9', '', '', 'create', 'payout', 'bank', 'create', '{}', '[]',
    'needs_review', 1, 0, 0, 1, 1, 1, '[]', 1, 1)"""


async def test_a_rate_counts_from_the_reload_on(stack: Stack) -> None:
    changed(stack, lambda raw: raw["connections"]["sway"].update(rate={"per_minute": 1, "burst": 1}))
    assert (await stack.call.post(RELOAD)).status_code == 200
    assert (await stack.call.get("/v1/payouts/sway:42")).status_code == 200
    body = problem(await stack.call.get("/v1/payouts/sway:42"), "provider_failed")
    assert "rate limit" in body["detail"]


async def test_reloads_one_after_the_other_close_nothing_that_is_in_use(stack: Stack) -> None:
    with contextlib.ExitStack() as calls:
        for seconds in (7.0, 8.0, 9.0):
            calls.enter_context(stack.service.current.uses.one())
            changed(stack, lambda raw, seconds=seconds: raw["connections"]["sway"].update(timeout=seconds))
            await stack.call.post(RELOAD)
        assert len(stack.service.draining) == 3
    await until_drained(stack.service)
    assert done(await stack.write("POST", "/v1/payouts/sway:42/complete", {}))


async def test_limits_and_policies_are_those_of_the_config_in_force(stack: Stack) -> None:
    """What awaits approval keeps the policy under which it was asked."""
    policy = {"name": "all", "approvers": 1, "when": {"tenant": ["default"], "operation": ["create"]}}
    changed(stack, lambda raw: raw.update(approvals=[policy]))
    await stack.call.post(RELOAD)
    waits = done(await stack.write("POST", "/v1/payouts", order()), 202, "awaiting_approval")["operation"]
    limits = {"amounts": {"GBP": {"per_day": 1500}}, "rate": {"per_minute": 0.01, "burst": 2}}
    changed(stack, lambda raw: raw["connections"]["bank"].update(limits=limits))
    await stack.call.post(RELOAD)
    approve = {"fingerprint": waits["approval"]["fingerprint"]}
    checker = {"Authorization": "Bearer test-payouts:approve"}
    done(await stack.call.post(f"/v1/operations/{waits['id']}/approve", json=approve, headers=checker))
    limit = problem(await stack.write("POST", "/v1/payouts", order("invoice-2"), "key-2"), "limit_reached")["limit"]
    assert (limit["limit"], limit["left"]) == ("per_day", 477)
    small = order("invoice-3", amount={"currency": "GBP", "minor_units": 477})
    done(await stack.write("POST", "/v1/payouts", small, "key-3"), 201)
    again = await stack.write("POST", "/v1/payouts", order("invoice-4"), "key-4")
    assert problem(again, "limit_reached")["limit"]["limit"] == "rate"
