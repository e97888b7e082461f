"""What the tests of the unified API share."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.simulator.server import RunningSimulator
from gateway.api.problems import KINDS, MEDIA_TYPE, PREFIX
from gateway.coordination.local import LocalCoordination
from gateway.store.interface import Transaction
from tests.conftest import Stack, four_simulators, raw_config, stack_of

Simulators = dict[str, RunningSimulator]
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for a module, so that a table of bad input needs one gateway only."""
    return "asyncio"


def config_of(simulators: Simulators, folder: Path) -> dict[str, Any]:
    """As in all tests, but no read is answered from a cache: each must show what its provider says now."""
    return raw_config(simulators, folder) | {"reads": {"cache": 0}}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A fresh gateway over fresh simulators."""
    async with four_simulators() as simulators, stack_of(config_of(simulators, tmp_path), simulators) as made:
        yield made


@pytest.fixture(scope="module")
async def quiet_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One gateway for tests that must leave no trace: at the end nothing was sent and nothing journaled."""
    folder = tmp_path_factory.mktemp("journal")
    async with four_simulators() as simulators, stack_of(config_of(simulators, folder), simulators) as made:
        yield made
        await nothing_happened(made)


async def nothing_happened(stack: Stack) -> None:
    """No operation is journaled and no provider saw a write."""
    assert (await stack.call.get("/v1/operations")).json()["data"] == []
    for name in stack.simulators:
        assert await sent_writes(stack, name) == []


async def sent_writes(stack: Stack, connection: str) -> list[str]:
    """The writes that reached a provider, executed or not; a login is none."""
    log = await stack.control(connection, "GET", "log")
    return [entry["operation"] for entry in log if entry["method"] in WRITES and "auth" not in entry["path"]]


def requests_of(stack: Stack, connection: str, patch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Grows with each request that a connection sends from now on."""
    sent: list[httpx.Request] = []
    transport = stack.gateway.connections[connection].upstream.transport
    really = transport.handle_async_request

    async def noted(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return await really(request)

    patch.setattr(transport, "handle_async_request", noted)
    return sent


def problem(reply: httpx.Response, kind: str, *pointers: str) -> dict[str, Any]:
    """The problem that a reply is: of the closed list, with exactly these pointers."""
    assert reply.headers["content-type"] == MEDIA_TYPE, reply.text
    body: dict[str, Any] = reply.json()
    assert body["type"].removeprefix(PREFIX) == kind, body
    assert (reply.status_code, body["status"], body["title"]) == (
        KINDS[kind].status,
        KINDS[kind].status,
        KINDS[kind].title,
    )
    assert [fault["pointer"] for fault in body.get("errors", [])] == list(pointers)
    assert "Traceback" not in reply.text
    return body


def done(reply: httpx.Response, status: int = 200, state: str = "succeeded") -> dict[str, Any]:
    """The answer of a write that came to this end."""
    assert reply.status_code == status, reply.text
    body: dict[str, Any] = reply.json()
    assert body["operation"]["state"] == state, body
    return body


@pytest.fixture(scope="module")
async def hasty_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One gateway whose connections give up after 0.8 s; each test seeds a payout of its own."""
    folder = tmp_path_factory.mktemp("journal")
    async with four_simulators() as simulators:
        raw = config_of(simulators, folder)
        for connection in raw["connections"].values():
            connection["timeout"] = 0.8
        async with stack_of(raw, simulators) as made:
            undisturbed(made)
            yield made


def undisturbed(stack: Stack) -> None:
    """No circuit is open, no rate is paused; a failed read is not tried again: that would cost each test a second."""
    for connection in stack.gateway.connections.values():
        connection.coordination = LocalCoordination()
        connection.upstream.budget.spend = lambda: False  # type: ignore[method-assign]


_numbers = itertools.count(1)


async def fresh(stack: Stack, connection: str, **fields: Any) -> str:
    """The unified id of a new payout, like the first pending one but for these fields.

    What earlier tests did to the connection is forgotten: their faults, and the circuit that these opened.
    """
    number = next(_numbers)
    undisturbed(stack)
    await stack.control(connection, "DELETE", "faults")
    state = await stack.control(connection, "GET", "state")
    ids: dict[str, Any] = {"aff": f"po_fresh_{number}", "promo": 3_000_000 + number, "sway": 1_000 + number}
    id = ids.get(connection, f"po:fresh{number}:sim")
    sample = next(each for each in state["payouts"] if each["status"].lower().endswith("pending"))
    await stack.control(connection, "POST", "seed", {"payouts": [{**sample, "id": id, **fields}]})
    return f"{connection}:{id}"


async def later(stack: Stack, operation: str, seconds: int = 7_200) -> dict[str, Any]:
    """The operation after some time: its record is made that much older, and what is due then is done."""
    past = seconds * 1000

    def age(tx: Transaction) -> None:
        columns = ", ".join(f"{name} = {name} - ?" for name in ("due_at", "sent_at", "created_at", "accepted_at"))
        tx.execute(f"UPDATE operation SET {columns} WHERE id = ?", (past, past, past, past, operation))  # noqa: S608

    undisturbed(stack)
    await stack.gateway.store.write(age)
    for _ in range(3):  # a look-up, then what it leads to
        await stack.gateway.writer.runner.resume_due()
    answer: dict[str, Any] = (await stack.call.get(f"/v1/operations/{operation}")).json()
    return answer
