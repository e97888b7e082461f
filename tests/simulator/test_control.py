"""The switches over HTTP, and the server itself."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest

from contracts.simulator import Simulator
from contracts.simulator.server import RunningSimulator, running
from tests.simulator.conftest import READS, WRITES, Open

pytestmark = pytest.mark.anyio


async def test_log_and_reset(simulator: Simulator, client: httpx.AsyncClient) -> None:
    operation, method, path, body = WRITES[simulator.description.name]
    await client.request(method, path, json=body)
    (entry,) = (await client.get("/_control/log")).json()
    assert entry["operation"] == operation
    assert (entry["executed"], entry["changed"], entry["status"], entry["authenticated"]) == (
        True,
        True,
        200,
        True,
    )
    before = (await client.get("/_control/state")).json()["payouts"]
    assert (await client.post("/_control/reset")).status_code == 204
    assert (await client.get("/_control/log")).json() == []
    assert (await client.get("/_control/state")).json()["payouts"] != before
    assert (await client.get("/_control/state")).json()["payouts"] == [
        record.body for record in Simulator(simulator.description).state.payouts
    ] or simulator.description.name == "heldsway"  # its amounts are Decimals


async def test_seeding_over_http(opened: Open) -> None:
    client = opened(Simulator("heldsway"))
    payouts = [{"id": 900, "status": "pending", "amount": 12.5}]
    reply = await client.post("/_control/seed", json={"payouts": payouts})
    assert reply.status_code == 204, reply.text
    assert (await client.get("/v1/payouts/900")).json()["data"]["amount"] == 12.5
    requests = [{"id": 1, "status": "pending"}]
    await client.post("/_control/seed", json={"payouts": payouts, "requests": requests, "replace": True})
    state = (await client.get("/_control/state")).json()
    assert (len(state["payouts"]), len(state["requests"])) == (1, 1)
    assert (await client.post("/v1/payouts/requests/1/approve")).status_code == 200


async def test_the_least_that_a_contract_asks_for_is_enough(opened: Open) -> None:
    least: dict[str, Any] = {
        "firstpromoter": {"id": 1, "status": "pending"},
        "heldsway": {"id": 1, "status": "pending"},
        "tokenio": {
            "id": "po:a:b",
            "memberId": "m",
            "status": "INITIATION_PENDING",
            "createdDateTime": "2026-11-01T00:00:00Z",
            "updatedDateTime": "2026-11-01T00:00:00Z",
        },
    }
    for name, payout in least.items():
        simulator = Simulator(name)
        simulator.seed([payout], replace=True)
        client = opened(simulator)
        path = READS[name][2].rpartition("/")[0]
        query = {"limit": 5} if name == "tokenio" else {}
        reply = await client.get("/payouts/list" if name == "firstpromoter" else path, params=query)
        assert reply.status_code == 200
        if name == "heldsway":
            assert (await client.get("/v1/payouts/stats")).status_code == 200
            assert (await client.get("/v1/payouts/export")).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("seed", {"payouts": [{"id": "x"}]}),
        ("seed", {"requests": [{"id": 1, "status": "pending"}]}),
        ("seed", {"unheard": 1}),
        ("seed", []),
        ("seed", {"payouts": 3}),
        ("advance", {"id": "po_none", "status": "paid"}),
        ("advance", {"id": "po_test_0001", "status": "unheard"}),
        ("advance", {"seconds": "ten"}),
        ("keys", {"kid": "k"}),
    ],
)
async def test_switches_that_make_no_sense(path: str, body: Any, opened: Open) -> None:
    simulator = Simulator("ledger")
    reply = await opened(simulator).post(f"/_control/{path}", json=body)
    assert (reply.status_code, "error" in reply.json()) == (400, True)
    assert len(simulator.state.payouts) == 12
    assert (await opened(simulator).get("/_control/unheard")).status_code == 404


async def test_advance_sets_a_status(simulator: Simulator, client: httpx.AsyncClient) -> None:
    record = next(iter(simulator.state.payouts))
    for status in simulator.description.statuses:
        body = {"id": record.id, "status": status}
        assert (await client.post("/_control/advance", json=body)).status_code == 204
        assert record.body["status"] == status
        _, method, path, _ = READS[simulator.description.name]
        assert (await client.request(method, path)).status_code == 200
    assert not simulator.violations


@pytest.mark.enable_socket
async def test_start_stop_and_start_again() -> None:
    server = await RunningSimulator().start("ledger")
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(server.url + "/_control/state")).status_code == 200
        server.simulator.add_fault("hang")
        hanging = asyncio.create_task(client.get(server.url + "/v1/admin/payouts"))
        await asyncio.sleep(0.05)
        await server.stop()
        await server.stop()
        with pytest.raises(httpx.TransportError):
            await hanging
    port = int(server.url.rpartition(":")[2])
    async with running("tokenio", port=port) as again:
        assert again.url == server.url


@pytest.mark.enable_socket
async def test_only_loopback_and_only_a_free_port() -> None:
    with pytest.raises(ValueError, match="loopback"):
        await RunningSimulator().start("ledger", host="0.0.0.0")  # noqa: S104
    with pytest.raises(ValueError, match="can be simulated"):
        await RunningSimulator().start("nobody")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            await RunningSimulator().start("ledger", port=taken.getsockname()[1])


def test_the_command_line_says_where_and_with_what() -> None:
    code = "from contracts.simulator.server import run; run('tokenio')"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(4))
        process.send_signal(2)
        assert process.wait(5) == 0
    assert "tokenio simulator on http://127.0.0.1:" in said
    assert "Authorization: Basic " in said
