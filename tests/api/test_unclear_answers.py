"""What may have been executed is never called a failure, and what was not proven is never called a success.

Each test has a payout of its own at one shared gateway, whose connections give up after 0.8 s.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from contracts.simulator.faults import FAULTS
from tests.api.conftest import done, fresh, later, problem
from tests.conftest import Stack, order

pytestmark = pytest.mark.anyio

MARKS = {"aff": "approve", "promo": "complete", "sway": "complete"}
WRITTEN = {
    "aff": "approve_payout",
    "promo": "update_payout",
    "sway": "complete_payout",
    "bank": "create_payout",
}
READ = {"aff": "get_payout", "promo": "list_payouts", "sway": "get_payout", "bank": "get_payout"}
# Smaller than the simulator's own defaults, and as far beyond what we read.
SIZES: dict[str, dict[str, Any]] = {
    "huge": {"megabytes": 2},
    "drip": {"milliseconds": 50},
    "delay": {"seconds": 1.5},
    "late": {"seconds": 0.2},
    "hang": {"seconds": 2},
}
# Nothing readable and documented comes back.
LOST = (
    "reset",
    "close",
    "hang",
    "delay",
    "redirect",
    "junk",
    "html",
    "empty",
    "huge",
    "deep",
    "null_body",
    "array_body",
)
STATUSES = (300, 405, 418, 500, 503)
BEFORE: list[tuple[str, dict[str, Any]]] = [
    *((fault, {"when": "before"}) for fault in LOST if fault not in ("delay", "html", "null_body")),
    *(("status", {"when": "before", "status": status}) for status in (408, 418, 500, 501, 503, 504)),
    ("early_reply", {}),
    ("late", {}),
]
AFTER: list[tuple[str, dict[str, Any]]] = [
    *((fault, {"when": "after"}) for fault in LOST),
    *((fault, {"when": "after"}) for fault in ("truncate", "gzip", "bad_utf8", "bom", "drip")),
    *(("status", {"when": "after", "status": status}) for status in (408, 500, 503)),
]


def named(value: Any) -> str:
    return "-".join(str(part) for part in value.values()) if isinstance(value, dict) else str(value)


async def write(stack: Stack, id: str) -> httpx.Response:
    """A mark of this payout; at the bank, a create that takes its id as a reference."""
    name = id.partition(":")[0]
    if name == "bank":
        return await stack.write("POST", "/v1/payouts", order(id), id)
    return await stack.write("POST", f"/v1/payouts/{id}/{MARKS[name]}", {}, id)


async def executions(stack: Stack, id: str) -> int:
    """How often the provider executed this very write."""
    name, _, native = id.partition(":")
    entries = await stack.executed(name, WRITTEN[name])
    if name != "bank":
        return sum(native in entry["ids"] for entry in entries)
    own = stack.gateway.connections["bank"].provider.reference("default", id)
    return sum(entry["reference"] == own for entry in entries)


async def failing(stack: Stack, name: str, fault: str, params: dict[str, Any]) -> None:
    await stack.fault(name, fault, WRITTEN[name], **SIZES.get(fault, {}), **params)


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize(("fault", "params"), BEFORE, ids=named)
async def test_an_unclear_write_that_was_not_executed_is_unknown(
    hasty_stack: Stack, name: str, fault: str, params: dict[str, Any]
) -> None:
    stack, id = hasty_stack, await fresh(hasty_stack, name)
    await failing(stack, name, fault, params)
    answer = await write(stack, id)
    operation = done(answer, 202, "unknown")["operation"]
    assert answer.headers["location"] == f"/v1/operations/{operation['id']}"
    assert operation["next"]["step"] in ("look_up", "send")
    assert len(operation["attempts"]) == 1
    assert await executions(stack, id) == 0


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize(("fault", "params"), AFTER, ids=named)
async def test_an_unclear_write_that_was_executed_is_looked_up_and_never_sent_twice(
    hasty_stack: Stack, name: str, fault: str, params: dict[str, Any]
) -> None:
    """A mark that converges is repeated later; a guarded one and a create are looked up at once."""
    stack, id = hasty_stack, await fresh(hasty_stack, name)
    await failing(stack, name, fault, params)
    answer = await write(stack, id)
    if name in ("sway", "bank"):
        done(answer, 201 if name == "bank" else 200)
    else:
        done(answer, 202, "unknown")
    assert await executions(stack, id) == 1


@pytest.mark.parametrize("name", WRITTEN)
async def test_an_unknown_write_is_settled_by_itself_later(hasty_stack: Stack, name: str) -> None:
    stack, id = hasty_stack, await fresh(hasty_stack, name)
    await failing(stack, name, "reset", {"when": "after"})
    if name in ("sway", "bank"):  # the look-up fails, too
        await stack.fault(name, "status", {"sway": "get_payout", "bank": "list_payouts"}[name], status=503, times=3)
    operation = done(await write(stack, id), 202, "unknown")["operation"]
    await stack.control(name, "DELETE", "faults")
    after = await later(stack, operation["id"], 120)
    assert after["operation"]["state"] == "succeeded"
    assert after["payout"] is not None
    repeats = {"aff": 2, "promo": 2}.get(name, 1)
    assert len(after["operation"]["attempts"]) == repeats


UNREAD: list[tuple[str, dict[str, Any]]] = [
    *((fault, {}) for fault in (*LOST, "truncate", "gzip", "bad_utf8", "early_reply")),
    *(("status", {"status": status}) for status in STATUSES),
]
# The broken byte lands in the envelope's message, which is not read.
STILL_READ = ("sway", "bad_utf8")


@pytest.mark.parametrize(
    ("name", "fault", "params"),
    [(name, *fault) for name in READ for fault in UNREAD if (name, fault[0]) != STILL_READ],
    ids=named,
)
async def test_an_unclear_read_is_a_502(hasty_stack: Stack, name: str, fault: str, params: dict[str, Any]) -> None:
    stack, id = hasty_stack, await fresh(hasty_stack, name)
    await stack.fault(name, fault, READ[name], times=None, **SIZES.get(fault, {}), **params)
    body = problem(await stack.call.get(f"/v1/payouts/{id}"), "provider_failed")
    assert body["detail"].startswith(f"{name}: ") or str(params.get("status")) in body["detail"]
    await stack.control(name, "DELETE", "faults")
    assert (await stack.call.get("/health/ready")).json()["connections"][name] == "ok"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("promo", "payouts?connection=promo"),
        ("bank", "payouts/bank:po:test0001:sim"),
        ("sway", "payouts/stats"),
        ("sway", "payouts/export"),
        ("sway", "payouts/sway:42/statement"),
        ("sway", "connections/sway/native/v1/payouts/export"),
        ("aff", "connections/aff/native/v1/admin/payouts"),
    ],
)
async def test_a_redirect_is_never_followed(hasty_stack: Stack, name: str, path: str) -> None:
    await fresh(hasty_stack, name)
    for status in (302, 307):
        await hasty_stack.fault(name, "redirect", "*", times=None, status=status)
        problem(await hasty_stack.call.get(f"/v1/{path}"), "provider_failed")
        await hasty_stack.control(name, "DELETE", "faults")
    log = await hasty_stack.control(name, "GET", "log")
    assert [entry for entry in log if "elsewhere" in entry["path"]] == []


def test_the_matrix_knows_every_fault_of_the_simulator() -> None:
    edited = {"wrong_id", "wrong_amount", "wrong_reference", "wrong_status", "unknown_status"}
    elsewhere = {"content_type", "duplicate_keys", "read_lag", "unauthorized", "rate_limited"}
    assert {fault for fault, _ in BEFORE + AFTER} | edited | elsewhere == FAULTS.keys()
