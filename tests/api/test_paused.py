"""A paused connection refuses writes and sends none; reads go on. A draining one takes marks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.upstream import NotSent
from providers.sdk import Mark
from tests.api.conftest import done, problem
from tests.conftest import Stack, four_simulators, raw_config, stack_of

pytestmark = pytest.mark.anyio

MARKS = {"aff": "aff:po_test_0002", "sway": "sway:42"}


@pytest.fixture(params=["paused", "draining"])
async def closed_stack(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, Stack]]:
    async with four_simulators() as simulators:
        raw = raw_config(simulators, tmp_path)
        for connection in raw["connections"].values():
            connection["state"] = request.param
        async with stack_of(raw, simulators) as stack:
            yield request.param, stack


async def test_marks_pass_where_it_drains_and_are_refused_unrecorded_where_it_is_paused(
    closed_stack: tuple[str, Stack],
) -> None:
    state, stack = closed_stack
    for name, id in MARKS.items():
        reply = await stack.write("POST", f"/v1/payouts/{id}/complete", {"reference": "TXN-1"}, key=name)
        if state == "draining":
            done(reply)
        else:
            assert "paused" in problem(reply, "connection_held")["detail"]
            assert await stack.executed(name) == []
    recorded = (await stack.call.get("/v1/operations")).json()["data"]
    assert len(recorded) == (len(MARKS) if state == "draining" else 0)


async def test_a_bulk_call_names_the_paused_connection_for_each_id(closed_stack: tuple[str, Stack]) -> None:
    state, stack = closed_stack
    body = {"ids": list(MARKS.values()), "reference": "TXN-1"}
    items = (await stack.write("POST", "/v1/payouts/bulk/complete", body)).json()["data"]
    assert [item["state"] for item in items] == ["refused" if state == "paused" else "succeeded"] * 2


async def test_nothing_leaves_by_a_paused_connection_whoever_sends(closed_stack: tuple[str, Stack]) -> None:
    state, stack = closed_stack
    connection = stack.gateway.connections["aff"]
    outcome = await connection.send(connection.provider.complete("po_test_0002", Mark(reference="TXN-1")))
    assert isinstance(outcome, NotSent) is (state == "paused")
    assert len(await stack.executed("aff")) == (state != "paused")


async def test_reads_go_on(closed_stack: tuple[str, Stack]) -> None:
    _, stack = closed_stack
    assert (await stack.call.get("/v1/payouts/sway:42")).status_code == 200
    assert (await stack.call.get("/v1/payouts?connection=promo")).status_code == 200
