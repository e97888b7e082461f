"""A restored backup has forgotten sends: nothing goes out until a person has reconciled it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from contracts.simulator.server import RunningSimulator
from gateway.cli import main
from gateway.engine.recovery import Recovery
from gateway.store.anchor import Anchor, Length
from gateway.store.audit import Audit, total
from gateway.store.interface import Store, Transaction
from gateway.store.opening import open_store
from tests.conftest import Stack, four_simulators, order, raw_config, stack_of
from tests.store.records import operation
from tests.toml import written

pytestmark = pytest.mark.anyio
T = TypeVar("T")


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


APPROVALS = [{"name": "all", "when": {"tenant": ["default"]}, "approvers": 1}]


@pytest.mark.parametrize("approvals", [[], APPROVALS], ids=["accepted", "awaiting approval"])
async def test_what_a_restored_journal_believes_unsent_is_looked_up_and_not_sent_again(
    tmp_path: Path, simulators: dict[str, RunningSimulator], approvals: list[dict[str, Any]]
) -> None:
    raw = raw_config(simulators, tmp_path) | {"approvals": approvals}
    raw["api_keys"] = [key for key in raw["api_keys"] if key.get("tenant", "default") == "default"]
    journal, home = tmp_path / "journal.db", raw["connections"]["bank"]["base_url"]
    raw["connections"]["bank"]["base_url"] = "http://127.0.0.1:1"
    async with stack_of(raw, simulators) as stack:
        made = await stack.write("POST", "/v1/payouts", order("invoice-1"))
        operation = made.json()["operation"]
        assert operation["state"] == ("awaiting_approval" if approvals else "accepted")
    backup = journal.read_bytes()
    raw["connections"]["bank"]["base_url"] = home
    async with stack_of(raw, simulators) as stack:
        await _sent(stack, operation)
        assert len(await stack.executed("bank", "create_payout")) == 1
    journal.write_bytes(backup)

    async with stack_of(raw, simulators) as stack:
        path = written(stack.config, tmp_path / "gateway.toml")
        assert (await invoke(["audit", "reconcile", "--accept", "--config", str(path)])).exit_code == 0
        await stack.gateway.runner.recovery.check()
        assert stack.gateway.runner.recovery.why is None
        for _ in range(3):
            await stack.gateway.store.write(lambda tx: tx.execute("UPDATE operation SET due_at = 0 WHERE due_at > 0"))
            await stack.gateway.runner.resume_due()
        now = (await stack.call.get(f"/v1/operations/{operation['id']}")).json()["operation"]
        assert now["state"] == "succeeded"
        assert len(await stack.executed("bank", "create_payout")) == 1


async def _sent(stack: Stack, operation: dict[str, Any]) -> None:
    """Approved where that is asked for, and sent."""
    if operation["state"] == "awaiting_approval":
        approval = {"fingerprint": operation["approval"]["fingerprint"]}
        headers = {"Authorization": "Bearer test-payouts:approve"}
        url = f"/v1/operations/{operation['id']}/approve"
        assert (await stack.call.post(url, json=approval, headers=headers)).status_code == 200
    await stack.gateway.store.write(lambda tx: tx.execute("UPDATE operation SET due_at = 0 WHERE due_at > 0"))
    await stack.gateway.runner.resume_due()


async def test_a_journal_that_grows_by_look_ups_is_not_recovered_by_that(
    tmp_path: Path, simulators: dict[str, RunningSimulator]
) -> None:
    raw = raw_config(simulators, tmp_path)
    async with stack_of(raw, simulators) as stack:
        assert (await stack.write("POST", "/v1/payouts", order("invoice-1"))).status_code == 201
        recovery = stack.gateway.runner.recovery
        assert recovery.anchor is not None
        entries = await stack.gateway.store.read(total)
        recovery.anchor.write(Length(entries + 1, 0))
        await recovery.check()
        assert recovery.why
        recovery.anchor.write(Length(entries - 1, 0, recovering=True))
        await recovery.check()
        assert recovery.why


class Overtaken:
    """A journal that another worker writes to, and whose anchor it moves on, just after each look into it."""

    def __init__(self, store: Store, anchor: Anchor) -> None:
        self.store = store
        self.audit = Audit()
        self.other = Recovery(store, anchor, self.audit)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        seen = await self.store.read(work)
        await self.store.write(lambda tx: self.audit.append(tx, operation(), "test", "test"))
        await self.other.check()
        return seen


async def test_an_anchor_that_another_worker_moves_on_meanwhile_is_no_restored_backup(tmp_path: Path) -> None:
    store, anchor = open_store(f"sqlite:///{tmp_path}/journal.db"), Anchor(tmp_path / "anchor")
    recovery = Recovery(Overtaken(store, anchor), anchor, Audit())  # type: ignore[arg-type]
    for _ in range(3):
        await recovery.check()
    await store.close()
    assert recovery.why is None


def test_two_workers_that_move_the_anchor_on_at_once_both_leave_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor, sync, seen = Anchor(tmp_path / "anchor"), os.fsync, []

    def overtaken(file: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        anchor.write(Length(2, 0))
        seen.append(anchor.read())

    monkeypatch.setattr(os, "fsync", overtaken)
    anchor.write(Length(1, 0))
    assert [*seen, anchor.read()] == [Length(2, 0), Length(1, 0)]
    assert list(tmp_path.iterdir()) == [anchor.path]
