"""Callers' reads: the slowest connection of a merged list counts, and a crowd that asks the same costs one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.engine.connection import Connection
from tests.api.conftest import config_of, done
from tests.conftest import Stack, four_simulators, stack_of

pytestmark = pytest.mark.anyio

LIST = "/v1/payouts?connection=sway"
OF_ALL = "/v1/payouts?status=pending&status=approved&status=on_hold"


@pytest.fixture
async def caching(tmp_path: Path) -> AsyncIterator[Stack]:
    """A gateway that keeps callers' reads for longer than any test runs."""
    async with four_simulators() as simulators:
        config = config_of(simulators, tmp_path) | {"reads": {"cache": 60}}
        async with stack_of(config, simulators) as made:
            yield made


async def asked(stack: Stack, connection: str, operation: str) -> int:
    return [entry["operation"] for entry in await stack.control(connection, "GET", "log")].count(operation)


async def test_a_merged_list_asks_all_connections_at_once(stack: Stack) -> None:
    asked, all_are = set(), asyncio.Event()

    def meet(connection: Connection) -> None:
        send = connection.upstream.send

        async def sent(*call: Any) -> Any:
            asked.add(connection.name)
            if len(asked) == 4:
                all_are.set()
            async with asyncio.timeout(5):  # whoever is asked only after another has answered is never asked
                await all_are.wait()
            return await send(*call)

        connection.upstream.send = sent  # type: ignore[method-assign]

    for connection in stack.gateway.connections.values():
        meet(connection)
    answer = await stack.call.get(OF_ALL)
    assert {item["connection"] for item in answer.json()["data"]} == asked


async def test_a_crowd_that_asks_for_one_list_costs_one_call(caching: Stack) -> None:
    answers = await asyncio.gather(*(caching.call.get(LIST) for _ in range(100)))
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].status_code == 200
    assert await asked(caching, "sway", "list_payouts") == 1


async def test_a_cached_answer_says_when_it_was_seen(caching: Stack) -> None:
    first = (await caching.call.get("/v1/payouts/sway:42")).json()
    again = (await caching.call.get("/v1/payouts/sway:42")).json()
    assert again["observed"] == first["observed"]
    assert await asked(caching, "sway", "get_payout") == 1


async def test_a_write_drops_what_was_read_of_its_connection_and_nothing_else(caching: Stack) -> None:
    for path in (LIST, "/v1/payouts/sway:42", "/v1/payouts?connection=promo"):
        assert (await caching.call.get(path)).status_code == 200
    before = await asked(caching, "promo", "list_payouts")
    done(await caching.write("POST", "/v1/payouts/sway:42/complete", {"reference": "TXN-1"}))
    assert (await caching.call.get("/v1/payouts/sway:42")).json()["status"] == "completed"
    listed = {item["id"]: item["status"] for item in (await caching.call.get(LIST)).json()["data"]}
    assert listed["sway:42"] == "completed"
    await caching.call.get("/v1/payouts?connection=promo")
    assert await asked(caching, "promo", "list_payouts") == before > 0


async def test_the_engine_never_reads_from_the_cache(caching: Stack) -> None:
    await caching.call.get("/v1/payouts/sway:42")
    connection = caching.gateway.connections["sway"]
    for _ in range(2):
        await caching.gateway.reader.payout(connection, "42")
    assert await asked(caching, "sway", "get_payout") == 3
