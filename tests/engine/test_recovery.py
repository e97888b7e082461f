"""A restored backup has forgotten sends: nothing goes out until a person has reconciled it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contracts.simulator.server import RunningSimulator
from gateway.cli import main
from tests.conftest import Stack, four_simulators, order, raw_config, stack_of
from tests.toml import written

pytestmark = pytest.mark.anyio


@pytest.fixture
async def simulators() -> AsyncIterator[dict[str, RunningSimulator]]:
    async with four_simulators() as running:
        yield running


async def test_a_restored_backup_reads_but_does_not_send(
    tmp_path: Path, simulators: dict[str, RunningSimulator]
) -> None:
    raw = raw_config(simulators, tmp_path)
    journal = tmp_path / "journal.db"
    async with stack_of(raw, simulators) as stack:
        assert (await stack.write("POST", "/v1/payouts", order("invoice-1"))).status_code == 201
    backup = journal.read_bytes()
    async with stack_of(raw, simulators) as stack:
        assert (await stack.write("POST", "/v1/payouts", order("invoice-2"), key="key-2")).status_code == 201
    journal.write_bytes(backup)

    async with stack_of(raw, simulators) as stack:
        refused = await stack.write("POST", "/v1/payouts", order("invoice-2"), key="key-2")
        assert refused.status_code == 503
        assert refused.json()["type"].endswith("recovering")
        ready = await stack.call.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "recovering")
        assert (await stack.call.get("/v1/payouts/bank:po:new0002:sim")).status_code == 200
        known = await stack.write("POST", "/v1/payouts", order("invoice-1"))
        assert known.headers["Idempotent-Replayed"] == "true"
        assert len(await stack.executed("bank", "create_payout")) == 2
        await _reconciled(stack, tmp_path)


async def invoke(arguments: list[str]) -> Result:
    """In a thread of its own: a command runs its own event loop."""
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)


async def _reconciled(stack: Stack, folder: Path) -> None:
    path = written(stack.config, folder / "gateway.toml")
    shown = await invoke(["audit", "reconcile", "--config", str(path)])
    assert "po:new0002:sim" in shown.stdout
    assert "po:new0001:sim" not in shown.stdout
    assert (await invoke(["audit", "verify", "--config", str(path)])).exit_code == 1
    accepted = await invoke(["audit", "reconcile", "--accept", "--config", str(path)])
    assert accepted.exit_code == 0, accepted.output
    await stack.gateway.runner.recovery.check()
    made = await stack.write("POST", "/v1/payouts", order("invoice-3"), key="key-3")
    assert made.status_code == 201
    assert (await stack.call.get("/health/ready")).json()["status"] == "ok"
