"""Circuit breakers in the running gateway: what opens one, what never does, and that money is no probe."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.coordination import CircuitPolicy, LocalCoordination, Policy
from tests.api.conftest import done, problem, sent_writes
from tests.conftest import Stack

pytestmark = pytest.mark.anyio

POLICY = CircuitPolicy()


class Clock:
    """The circuits' own."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(stack: Stack) -> Clock:
    """Circuits whose time the test sets; and no read is tried again, so that a call is one failure."""
    made = Clock()
    for connection in stack.gateway.connections.values():
        connection.coordination = LocalCoordination(Policy(circuit=POLICY), clock=made)
        connection.upstream.budget.spend = lambda: False  # type: ignore[method-assign]
    return made


async def circuits(stack: Stack, name: str = "sway") -> dict[str, str]:
    shown = (await stack.call.get("/v1/connections")).json()["data"]
    found: dict[str, str] = next(item["circuits"] for item in shown if item["name"] == name)
    return found


async def reads(stack: Stack, times: int) -> None:
    for _ in range(times):
        await stack.call.get("/v1/payouts/sway:42")


async def asked(stack: Stack) -> int:
    log: list[dict[str, Any]] = await stack.control("sway", "GET", "log")
    return len(log)


async def test_a_provider_that_cannot_be_reached_is_asked_no_more(stack: Stack, clock: Clock) -> None:
    await stack.fault("sway", "reset", "get_payout", times=None)
    await reads(stack, POLICY.unreachable)
    assert await circuits(stack) == {"read": "open", "write": "closed"}
    ready = (await stack.call.get("/health/ready")).json()
    assert (ready["status"], ready["connections"]["sway"]) == ("ok", "circuit open: read")
    assert ready["connections"]["bank"] == "ok"
    before = await asked(stack)
    body = problem(await stack.call.get("/v1/payouts/sway:42"), "provider_failed")
    assert "circuit is open" in body["detail"]
    assert await asked(stack) == before
    shown = (await stack.call.get("/metrics")).text
    assert 'payout_gateway_circuit{connection="sway",kind="read",state="open"} 1.0' in shown
    assert 'payout_gateway_circuit{connection="sway",kind="write",state="closed"} 1.0' in shown


async def test_errors_are_counted_apart_from_not_being_reached(stack: Stack, clock: Clock) -> None:
    await stack.fault("sway", "reset", "get_payout", times=POLICY.unreachable - 1)
    await reads(stack, POLICY.unreachable - 1)
    await stack.fault("sway", "status", "get_payout", status=503, times=None)
    await reads(stack, POLICY.errors - 1)
    assert (await circuits(stack))["read"] == "closed"
    await reads(stack, 1)
    assert (await circuits(stack))["read"] == "open"


async def test_refusals_open_nothing(stack: Stack, clock: Clock) -> None:
    for number in range(20):
        problem(await stack.call.get(f"/v1/payouts/sway:{90_000 + number}"), "payout_not_found")
    assert await circuits(stack) == {"read": "closed", "write": "closed"}


async def failed_writes(stack: Stack) -> None:
    """Marks that the provider does not answer, until the writes' circuit opens."""
    await stack.fault("sway", "status", "mark_payout_processing", status=503, times=None)
    for id in (101, 102, 103, 104, 105):
        await seeded(stack, id)
        await stack.write("POST", f"/v1/payouts/sway:{id}/process", {}, key=f"key-{id}", Prefer="wait=0")
        await stack.service.current.runner.drain(5)
    assert await circuits(stack) == {"read": "closed", "write": "open"}


async def seeded(stack: Stack, id: int) -> None:
    state = await stack.control("sway", "GET", "state")
    sample = next(each for each in state["payouts"] if each["status"] == "pending")
    await stack.control("sway", "POST", "seed", {"payouts": [{**sample, "id": id}]})


async def test_the_probe_of_an_open_write_circuit_is_a_read(stack: Stack, clock: Clock) -> None:
    await failed_writes(stack)
    await stack.control("sway", "DELETE", "faults")
    clock.now += POLICY.interval
    before = await asked(stack)
    done(await stack.write("POST", "/v1/payouts/sway:42/complete", {}))
    log = (await stack.control("sway", "GET", "log"))[before:]
    assert [entry["operation"] for entry in log][:2] == ["list_payouts", "complete_payout"]
    assert (await circuits(stack))["write"] == "closed"


async def test_no_write_goes_out_while_the_probe_fails(stack: Stack, clock: Clock) -> None:
    await failed_writes(stack)
    await stack.control("sway", "DELETE", "faults")
    await stack.fault("sway", "status", "list_payouts", status=503, times=None)
    clock.now += POLICY.interval
    before = await sent_writes(stack, "sway")
    accepted = done(await stack.write("POST", "/v1/payouts/sway:42/complete", {}), 202, "accepted")
    assert accepted["operation"]["reason"] == "not_sent"
    assert await sent_writes(stack, "sway") == before
    assert (await circuits(stack))["write"] == "open"


async def test_a_file_is_not_asked_for_while_the_circuit_is_open(stack: Stack, clock: Clock) -> None:
    await stack.fault("sway", "reset", "export_payouts", times=None)
    for _ in range(POLICY.unreachable):
        problem(await stack.call.get("/v1/payouts/export?connection=sway"), "provider_failed")
    before = await asked(stack)
    body = problem(await stack.call.get("/v1/payouts/export?connection=sway"), "provider_failed")
    assert "circuit is open" in body["detail"]
    assert await asked(stack) == before
    await stack.control("sway", "DELETE", "faults")
    clock.now += POLICY.interval
    assert (await stack.call.get("/v1/payouts/export?connection=sway")).status_code == 200
    assert (await circuits(stack))["read"] == "closed"
