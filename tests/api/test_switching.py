"""The switch that the product is for: affiliates move from one provider to another in the config file, under load.

A service lists, processes and completes payouts through route `affiliates`, 50 calls a second, and names no provider.
`diff` and `explain` say beforehand what will be; then the file changes, and one SIGHUP tells the gateway's process.
"""

from __future__ import annotations

import asyncio
import copy
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from contracts.simulator.server import RunningSimulator
from gateway.cli import main
from gateway.config import load
from tests.battery.gateways import GatewayProcess, until
from tests.conftest import TEST_KEY, four_simulators, raw_config
from tests.toml import written

pytestmark = pytest.mark.anyio

PER_SECOND = 50
CALLS = 300
SWITCH_AT = 120
WORKERS = 8
OLD, NEW = "promo", "sway"
SEEDS = {OLD: 3_000_000, NEW: 1_000}  # the first id of so many payouts
SEEDED = 100


def old_config(simulators: dict[str, RunningSimulator], folder: Path) -> dict[str, Any]:
    raw = raw_config(simulators, folder)
    raw["routes"] = [{"name": "affiliates", "when": {"operation": ["list_payouts"]}, "to": [OLD]}]
    return raw


def new_config(old: dict[str, Any]) -> dict[str, Any]:
    """The route goes elsewhere; the old provider keeps what it has."""
    raw = copy.deepcopy(old)
    raw["routes"][0]["to"] = [NEW]
    raw["connections"][OLD]["state"] = "draining"
    return raw


@dataclass
class Seen:
    """One call and its answer: when it began and ended, and whose payouts the answer shows."""

    began: float
    ended: float
    method: str
    path: str
    status: int
    text: str
    connections: set[str]


@dataclass
class Service:
    """An internal service. It knows the route's name, and ids that lists gave it."""

    call: httpx.AsyncClient
    began: float = field(default_factory=time.monotonic)
    due: int = 0  # calls so far
    seen: list[Seen] = field(default_factory=list)
    claimed: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)

    async def work(self) -> None:
        """Takes payouts to their end, one after the other, until all calls are made."""
        while self.due < CALLS:
            listed = await self.send("GET", "/v1/payouts?route=affiliates&status=pending&limit=200")
            free = (item["id"] for item in listed.get("data", []) if item["id"] not in self.claimed)
            id = next(free, None)
            if id is None:
                continue
            self.claimed.add(id)
            await self.send("POST", f"/v1/payouts/{id}/process", {})
            done = await self.send("POST", f"/v1/payouts/{id}/complete", {"reference": f"TXN-{id}"})
            if done["payout"]["status"] == "completed":
                self.completed.add(id)

    async def send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One call in its turn: at so many a second, whatever the calls before it take."""
        self.due += 1
        await asyncio.sleep(self.began + self.due / PER_SECOND - time.monotonic())
        began = time.monotonic()
        answer = await self.call.request(method, path, json=body, headers={"Idempotency-Key": f"{path}"})
        shown: dict[str, Any] = answer.json()
        payouts = shown["data"] if method == "GET" else [shown["payout"]]
        found = {item["connection"] for item in payouts}
        self.seen.append(Seen(began, time.monotonic(), method, path, answer.status_code, answer.text, found))
        return shown


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[GatewayProcess]:
    process = GatewayProcess(config)
    process.start()
    try:
        await process.ready()
        yield process
    finally:
        process.stop()


async def seed(simulators: dict[str, RunningSimulator]) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for name, first in SEEDS.items():
            control = f"{simulators[name].url}/_control"
            state = (await client.get(f"{control}/state")).json()
            sample = next(each for each in state["payouts"] if each["status"] == "pending")
            payouts = [{**sample, "id": first + number} for number in range(SEEDED)]
            (await client.post(f"{control}/seed", json={"payouts": payouts})).raise_for_status()


async def executed_writes(simulator: RunningSimulator) -> Counter[str]:
    """Path to how often the provider executed a write there."""
    async with httpx.AsyncClient(trust_env=False) as client:
        log = (await client.get(f"{simulator.url}/_control/log")).json()
    return Counter(entry["path"] for entry in log if entry["executed"] and "auth" not in entry["path"])


async def told_beforehand(old: Path, new: Path) -> None:
    """`diff` names what goes elsewhere, and nothing else; `explain` where marks on old and new ids would go."""
    said = await command("diff", str(old), str(new), "--json")
    assert said["lists"] == [f"?route=affiliates asked {OLD} and will ask {NEW}"]
    assert said["moved"] == []
    for name, first in SEEDS.items():
        asked = new.with_name("request.json")
        asked.write_text(json.dumps({"operation": "complete", "id": f"{name}:{first}", "mark": {"reference": "TXN-1"}}))
        explained = await command("explain", str(asked), "--config", str(new), "--json")
        assert [item["connection"] for item in explained["candidates"] if item["verdict"] == "taken"] == [name]


async def command(*arguments: str) -> dict[str, Any]:
    """In a thread of its own: a command runs its own event loop."""
    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert done.exit_code == 0, done.output
    said: dict[str, Any] = json.loads(done.stdout)
    return said


async def switch(service: Service, process: GatewayProcess, file: Path, raw: dict[str, Any]) -> tuple[float, float]:
    """Changes the file, tells the process once, and says when it was told and when the new config was in force."""
    while service.due < SWITCH_AT:
        await asyncio.sleep(0.005)
    version = load(written(raw, file)).version
    told = time.monotonic()
    process.process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]

    async def in_force() -> bool:
        return bool((await service.call.get("/health/ready")).json()["config"] == version)

    await until(in_force, 20, "the new config in force")
    return told, time.monotonic()


async def test_affiliates_move_to_another_provider_under_load_and_nobody_notices(tmp_path: Path) -> None:
    async with four_simulators() as simulators:
        raw = old_config(simulators, tmp_path)
        await seed(simulators)
        file = written(raw, tmp_path / "gateway.toml")
        await told_beforehand(file, written(new_config(raw), tmp_path / "gateway.new.toml"))
        async with running(file) as process:
            headers = {"Authorization": f"Bearer {TEST_KEY}"}
            async with httpx.AsyncClient(base_url=process.url, headers=headers, timeout=30, trust_env=False) as call:
                service = Service(call)
                workers = asyncio.gather(*(service.work() for _ in range(WORKERS)))
                told, in_force = await switch(service, process, file, new_config(raw))
                await workers
                nobody_noticed(service, told, in_force)
                await every_payout_is_where_it_was(service)
            assert process.count("is in force") == 2
            assert process.count("is out of use") == 1
        await each_mark_was_executed_once(service, simulators)


def nobody_noticed(service: Service, told: float, in_force: float) -> None:
    """No call failed, and none was answered by the wrong provider."""
    assert len(service.seen) >= CALLS
    assert [(call.path, call.text) for call in service.seen if call.status != 200] == []
    lists = [call for call in service.seen if call.method == "GET"]
    before = [call for call in lists if call.ended < told]
    after = [call for call in lists if call.began > in_force]
    assert {name for call in before for name in call.connections} == {OLD}
    assert {name for call in after for name in call.connections} == {NEW}
    assert all(len(call.connections) == 1 for call in lists)
    for call in service.seen:
        if call.method == "POST":
            assert call.connections == {call.path.split("/")[3].partition(":")[0]}


async def every_payout_is_where_it_was(service: Service) -> None:
    """Ids that were given before the switch are still answered by the provider that has them."""
    kept = Counter(id.partition(":")[0] for id in service.completed)
    assert kept.keys() == {OLD, NEW}
    for id in service.completed:
        shown = (await service.call.get(f"/v1/payouts/{id}")).json()
        assert (shown["id"], shown["connection"], shown["status"]) == (id, id.partition(":")[0], "completed")


async def each_mark_was_executed_once(service: Service, simulators: dict[str, RunningSimulator]) -> None:
    marks = [call.path for call in service.seen if call.method == "POST"]
    for name in (OLD, NEW):
        ours = [path for path in marks if path.split("/")[3].startswith(f"{name}:")]
        assert sum((await executed_writes(simulators[name])).values()) == len(ours)


async def test_a_hangup_with_a_bad_file_ends_nothing_and_the_next_good_one_is_taken(tmp_path: Path) -> None:
    async with four_simulators() as simulators:
        raw = old_config(simulators, tmp_path)
        file = written(raw, tmp_path / "gateway.toml")
        async with running(file) as process, httpx.AsyncClient(base_url=process.url, trust_env=False) as call:
            before = (await call.get("/health/ready")).json()["config"]
            for content, outcome, at_fault in (("[server", "invalid", ["the file"]), (None, "applied", [])):
                file.write_text(content) if content else written(new_config(raw), file)
                process.process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]
                shown = await until(partial(reloaded, call, outcome), 20, outcome)
                assert shown["last_reload"]["at_fault"] == at_fault
                assert (shown["config"] == before) is (outcome == "invalid")
            assert process.count(f"config {before} stays in force; the new one is invalid") == 1


async def reloaded(call: httpx.AsyncClient, outcome: str) -> dict[str, Any] | None:
    shown: dict[str, Any] = (await call.get("/health/ready")).json()
    return shown if (shown["last_reload"] or {}).get("outcome") == outcome else None
