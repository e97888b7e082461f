"""Routes at work: who takes a new payout, who stands in, and who never may."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from contracts.simulator.server import RunningSimulator, running
from gateway.config import parse
from gateway.keys import hashed
from gateway.operation import State
from gateway.store.audit import Audit
from tests.api.conftest import done, later, problem
from tests.conftest import Stack, connection_of, order, raw_config, stack_of

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:1"  # nobody listens there
GERMAN = {"name": "Test Lieferant", "iban": "DE89370400440532013000", "verification_id": "test-verification"}


@pytest.fixture
async def banks(tmp_path: Path) -> AsyncIterator[tuple[dict[str, RunningSimulator], dict[str, Any]]]:
    """Two banks, `first` and `second`, and a config whose route leads to the first and falls back to the second."""
    async with AsyncExitStack() as stack:
        simulators = {name: await stack.enter_async_context(running("tokenio")) for name in ("first", "second")}
        raw = raw_config({}, tmp_path)
        raw["connections"] = {
            name: connection_of("bank", simulator.url, tmp_path) | {"timeout": 0.8}
            for name, simulator in simulators.items()
        }
        raw["routes"] = [route(fallback=["second"])]
        yield simulators, raw


def route(name: str = "suppliers", to: Any = ("first",), when: Any = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "to": list(to), "when": {"operation": ["create"]} | (when or {}), **more}


Banks = tuple[dict[str, RunningSimulator], dict[str, Any]]


@asynccontextmanager
async def serving(banks: Banks, **changes: Any) -> AsyncIterator[Stack]:
    """The gateway over both banks. `changes`: of connections, by name."""
    simulators, raw = banks
    for name, change in changes.items():
        raw["connections"][name] |= change
    async with stack_of(raw, simulators) as stack:
        yield stack


async def create(stack: Stack, number: int = 1, **changes: Any) -> Any:
    return await stack.write("POST", "/v1/payouts", order(f"invoice-{number}", **changes), key=f"key-{number}")


def verdicts(body: dict[str, Any]) -> dict[str, str]:
    return {item["connection"]: item["verdict"] for item in body["operation"]["routing"]["candidates"]}


async def sent_to(stack: Stack, name: str) -> int:
    """How many creates reached a bank, whatever it did with them."""
    log = await stack.control(name, "GET", "log")
    return sum(entry["operation"] == "create_payout" for entry in log)


async def resumed(stack: Stack, id: str) -> Any:
    """The operation once what waits has been done, however long it was to wait."""
    await stack.gateway.store.write(lambda tx: tx.execute("UPDATE operation SET due_at = 0 WHERE due_at > 0"))
    await stack.gateway.runner.resume_due()
    return (await stack.call.get(f"/v1/operations/{id}")).json()["operation"]


async def test_an_operation_says_by_which_route_it_went_and_why(banks: Banks) -> None:
    async with serving(banks) as stack:
        made = done(await create(stack), 201)
        routing = (await stack.call.get(f"/v1/operations/{made['operation']['id']}")).json()["operation"]["routing"]
        assert routing == {
            "config": parse(stack.config).version,
            "route": "suppliers",
            "rule": "route suppliers is the first that matches",
            "candidates": [
                {"connection": "first", "verdict": "taken", "why": "first in order"},
                {"connection": "second", "verdict": "reserve", "why": "fallback"},
            ],
        }
        assert len(routing["config"]) == 12


async def test_where_the_first_refuses_the_connection_the_fallback_pays_once(banks: Banks) -> None:
    async with serving(banks, first={"base_url": NOWHERE}) as stack:
        made = done(await create(stack), 201)
        assert made["operation"]["connection"] == "second"
        assert made["payout"]["id"].startswith("second:")
        assert [attempt["sent"] for attempt in made["operation"]["attempts"]] == [False, True]
        assert verdicts(made) == {"first": "dropped", "second": "taken"}
        assert await sent_to(stack, "second") == 1


async def test_a_fallback_takes_nothing_that_needs_an_approval_there(banks: Banks) -> None:
    banks[1]["approvals"] = [
        {"name": "spare", "when": {"connection": ["second"], "tenant": ["default"]}, "approvers": 1}
    ]
    async with serving(banks, first={"base_url": NOWHERE}) as stack:
        done(await create(stack), 202, "awaiting_approval")
        assert await sent_to(stack, "second") == 0


async def test_a_move_is_an_audited_change_of_its_own_before_the_send(banks: Banks) -> None:
    async with serving(banks, first={"base_url": NOWHERE}) as stack:
        made = done(await create(stack), 201)
        events = await stack.gateway.store.read(
            lambda tx: [
                row[0]
                for row in tx.execute(
                    "SELECT event FROM audit WHERE operation = ? ORDER BY seq", (made["operation"]["id"],)
                )
            ]
        )
        assert events == ["accepted", "moved", "sending", "recorded"]
        assert (await stack.gateway.store.read(Audit().verify))[1] == []


@pytest.mark.parametrize("fault", ["hang", "reset", "close"])
async def test_what_may_have_left_never_goes_elsewhere(banks: Banks, fault: str) -> None:
    async with serving(banks) as stack:
        more = {"seconds": 30} if fault == "hang" else {}
        await stack.fault("first", fault, "create_payout", **more)
        made = done(await create(stack), 202, "unknown")
        assert made["operation"]["connection"] == "first"
        assert (await sent_to(stack, "first"), await sent_to(stack, "second")) == (1, 0)


async def test_from_the_first_send_on_an_operation_is_pinned(banks: Banks) -> None:
    """A 401 proves that nothing was executed, and yet something has left."""
    async with serving(banks) as stack:
        await stack.fault("first", "unauthorized", "*", times=None)
        made = done(await create(stack), 202, "accepted")
        now = await resumed(stack, made["operation"]["id"])
        assert (now["state"], now["connection"]) == ("accepted", "first")
        assert await sent_to(stack, "second") == 0


async def test_a_held_first_leaves_new_payouts_to_the_fallback(banks: Banks) -> None:
    async with serving(banks) as stack:
        await stack.fault("first", "unauthorized", "*", times=None)
        done(await create(stack, 1), 202, "accepted")
        made = done(await create(stack, 2), 201)
        assert made["operation"]["connection"] == "second"
        assert len(made["operation"]["attempts"]) == 1


@pytest.mark.parametrize("state", ["draining", "paused"])
async def test_a_closed_first_leaves_new_payouts_to_the_fallback(banks: Banks, state: str) -> None:
    async with serving(banks, first={"state": state}) as stack:
        made = done(await create(stack), 201)
        assert made["operation"]["connection"] == "second"
        why = made["operation"]["routing"]["candidates"][0]["why"]
        assert state in why


async def test_an_open_circuit_leaves_new_payouts_to_the_fallback(banks: Banks) -> None:
    async with serving(banks) as stack:
        await stack.fault("first", "reset", "create_payout", times=None)
        for number in range(3):
            done(await create(stack, number), 202, "unknown")
        await stack.control("first", "DELETE", "faults")
        made = done(await create(stack, 9), 201)
        assert made["operation"]["connection"] == "second"
        assert "circuit" in made["operation"]["attempts"][0]["detail"]
        assert await sent_to(stack, "first") == 3


async def test_without_a_fallback_a_refused_connection_is_tried_again_there(banks: Banks) -> None:
    banks[1]["routes"] = [route()]
    async with serving(banks, first={"base_url": NOWHERE}) as stack:
        made = done(await create(stack), 202, "accepted")
        assert made["operation"]["next"]["step"] == "send"
        assert await sent_to(stack, "second") == 0


async def test_where_nobody_listens_it_waits_at_the_last(banks: Banks) -> None:
    async with serving(banks, first={"base_url": NOWHERE}, second={"base_url": NOWHERE}) as stack:
        made = done(await create(stack), 202, "accepted")
        assert made["operation"]["connection"] == "second"
        assert [attempt["sent"] for attempt in made["operation"]["attempts"]] == [False, False]


async def test_what_waits_unsent_moves_once_its_connection_drains(banks: Banks) -> None:
    simulators, raw = banks
    async with serving(banks, first={"base_url": NOWHERE}) as stack:
        await stack.fault("second", "unauthorized", "*", times=None)
        done(await create(stack, 1, connection="second"), 202, "accepted")  # it is held from now on
        made = done(await create(stack, 2), 202, "accepted")
        assert made["operation"]["connection"] == "first"
        await stack.control("second", "DELETE", "faults")
    async with serving((simulators, raw), first={"base_url": simulators["first"].url, "state": "draining"}) as stack:
        now = await resumed(stack, made["operation"]["id"])
        assert (now["state"], now["connection"]) == ("succeeded", "second")
        assert await sent_to(stack, "first") == 0


async def test_a_fallback_that_cannot_carry_the_payout_is_passed_over(banks: Banks) -> None:
    banks[1]["connections"]["dollars"] = banks[1]["connections"]["second"] | {"currency": "USD"}
    banks[1]["routes"] = [route(fallback=["dollars", "second"])]
    async with serving(banks, first={"base_url": NOWHERE}) as stack:
        made = done(await create(stack), 201)
        assert verdicts(made) == {"first": "dropped", "second": "taken", "dollars": "dropped"}


async def test_a_call_that_names_its_connection_never_goes_elsewhere(banks: Banks) -> None:
    async with serving(banks, first={"base_url": NOWHERE}) as stack:
        made = done(await create(stack, connection="first"), 202, "accepted")
        assert made["operation"]["routing"]["route"] is None
        assert await sent_to(stack, "second") == 0


async def test_a_key_is_answered_with_its_operation_whatever_the_routes_say_by_now(banks: Banks) -> None:
    async with serving(banks) as stack:
        first = done(await create(stack), 201)
    simulators, raw = banks
    async with serving((simulators, copy.deepcopy(raw) | {"routes": []})) as stack:
        again = await create(stack)
        assert done(again, 201)["operation"]["id"] == first["operation"]["id"]
        assert again.headers["idempotent-replayed"] == "true"
        problem(await create(stack, 2), "no_route")


async def test_weights_are_sticky_per_payee_and_shared_out(banks: Banks) -> None:
    banks[1]["routes"] = [route(to=[{"connection": "first", "weight": 3}, {"connection": "second", "weight": 1}])]
    async with serving(banks) as stack:
        taken: dict[str, set[str]] = {}
        for number in range(40):
            account = f"{31926800 + number % 20}"
            payee = {"name": f"Test Supplier {number}", "account_number": account, "sort_code": "601613"}
            made = done(await create(stack, number, payee=payee), 201)
            taken.setdefault(account, set()).add(made["operation"]["connection"])
        assert all(len(names) == 1 for names in taken.values())
        firsts = sum(names == {"first"} for names in taken.values())
        assert 10 <= firsts < 20


CONDITIONS = [
    ({"currency": ["EUR"]}, {"amount": {"currency": "EUR", "minor_units": 100}, "payee": GERMAN}, {}),
    (
        {"amount": {"currency": "GBP", "at_least": 500, "at_most": 600}},
        {"amount": {"currency": "GBP", "minor_units": 600}},
        {"amount": {"currency": "GBP", "minor_units": 601}},
    ),
    ({"country": ["DE"]}, {"payee": GERMAN, "amount": {"currency": "EUR", "minor_units": 100}}, {}),
    ({"account": ["iban"]}, {"payee": GERMAN, "amount": {"currency": "EUR", "minor_units": 100}}, {}),
]


@pytest.mark.parametrize(("when", "inside", "outside"), CONDITIONS)
async def test_a_route_applies_where_its_conditions_do(banks: Banks, when: Any, inside: Any, outside: Any) -> None:
    banks[1]["routes"] = [route("special", ["second"], when), route("others", ["first"])]
    async with serving(banks) as stack:
        assert done(await create(stack, 1, **inside), 201)["operation"]["connection"] == "second"
        assert done(await create(stack, 2, **outside), 201)["operation"]["connection"] == "first"


@pytest.mark.parametrize("when", [{"tenant": ["other"]}, {"tags": ["urgent", "spare"]}])
async def test_a_route_may_be_for_some_callers_only(banks: Banks, when: Any) -> None:
    raw = banks[1]
    raw["routes"] = [route("special", ["second"], when), route("others", ["first"])]
    raw["api_keys"][1] |= {"sha256": hashed("test-special"), "tags": ["urgent"]}
    async with serving(banks) as stack:
        headers = {"Authorization": "Bearer test-special", "Idempotency-Key": "key-1"}
        special = await stack.call.post("/v1/payouts", json=order("invoice-1"), headers=headers)
        assert done(special, 201)["operation"]["connection"] == "second"
        assert done(await create(stack, 2), 201)["operation"]["connection"] == "first"


@pytest.mark.parametrize("state", ["draining", "paused"])
async def test_a_closed_connection_is_followed_and_read_to_the_end(banks: Banks, state: str) -> None:
    simulators, raw = banks
    raw["routes"] = [route()]
    async with serving(banks) as stack:
        await stack.fault("first", "reset", "create_payout", when="after")
        await stack.fault("first", "reset", "list_payouts", times=None)
        made = done(await create(stack), 202, "unknown")
    async with serving((simulators, raw), first={"state": state}) as stack:
        await stack.control("first", "DELETE", "faults")
        now = await resumed(stack, made["operation"]["id"])
        assert now["state"] == State.SUCCEEDED
        assert (await stack.call.get(f"/v1/payouts/{now['payout_id']}")).status_code == 200
        refused = problem(await create(stack, 2), "connection_held")
        assert state in refused["detail"]


@pytest.mark.parametrize(("state", "after", "sent"), [("paused", "accepted", 0), ("draining", "succeeded", 1)])
async def test_what_was_accepted_before_waits_while_paused_and_is_sent_while_draining(
    banks: Banks, state: str, after: str, sent: int
) -> None:
    simulators, raw = banks
    raw["routes"] = [route()]
    async with serving(banks, first={"base_url": NOWHERE}) as stack:
        made = done(await create(stack), 202, "accepted")
    async with serving((simulators, raw), first={"base_url": simulators["first"].url, "state": state}) as stack:
        now = await resumed(stack, made["operation"]["id"])
        assert (now["state"], len(now["attempts"])) == (after, 1 + sent)
        assert await sent_to(stack, "first") == sent


async def test_a_paused_connection_keeps_the_one_release_of_a_case(banks: Banks) -> None:
    simulators, raw = banks
    async with serving(banks) as stack:
        await stack.fault("first", "reset", "create_payout", when="before")
        made = done(await create(stack), 202, "unknown")
        id = made["operation"]["id"]
        assert (await later(stack, id))["operation"]["state"] == "needs_review"
    async with serving((simulators, raw), first={"state": "paused"}) as stack:
        headers = {"Authorization": "Bearer test-payouts:approve"}
        refused = await stack.call.post(f"/v1/operations/{id}/release", headers=headers)
        assert "paused" in problem(refused, "decision_refused")["detail"]
        assert await sent_to(stack, "first") == 1


async def test_connections_show_their_state(banks: Banks) -> None:
    async with serving(banks, second={"state": "draining"}) as stack:
        shown = (await stack.call.get("/v1/connections")).json()["data"]
        assert {item["name"]: item["state"] for item in shown} == {"first": "active", "second": "draining"}


async def test_a_list_asks_a_route_s_connections_in_its_order(banks: Banks) -> None:
    banks[1]["routes"] = [route("backwards", ["second"], {"operation": ["list_payouts"]}, fallback=["first"])]
    async with serving(banks) as stack:
        listed = (await stack.call.get("/v1/payouts?route=backwards&limit=2")).json()["data"]
        assert [item["connection"] for item in listed] == ["second", "first"]
