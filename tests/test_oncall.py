"""The commands of the person on call, beside a running gateway."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import parse
from tests.conftest import Stack, order
from tests.toml import written

pytestmark = pytest.mark.anyio


async def invoke(*arguments: str) -> tuple[int, str, str]:
    """In a thread of its own: a command runs its own event loop."""
    done = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    return done.exit_code, done.stdout, done.stderr


async def reviewed(stack: Stack) -> str:
    await stack.fault("bank", "wrong_amount", "create_payout")
    reply = await stack.write("POST", "/v1/payouts", order())
    assert reply.status_code == 202
    assert reply.json()["operation"]["state"] == "needs_review"
    id: str = reply.json()["operation"]["id"]
    return id


async def test_the_list_names_what_needs_a_person(stack: Stack, tmp_path: Path) -> None:
    id = await reviewed(stack)
    config = str(written(stack.config, tmp_path / "gateway.toml"))
    code, said, _ = await invoke("operations", "list", "--state", "needs_review", "--config", config)
    assert code == 0
    assert id in said
    assert "10.23 GBP" in said
    assert json.loads((await invoke("operations", "list", "--config", config, "--json"))[1])[0]["id"] == id
    assert "none" in (await invoke("operations", "list", "--state", "expired", "--config", config))[1]


async def test_explain_tells_the_story_and_what_to_do(stack: Stack, tmp_path: Path) -> None:
    id = await reviewed(stack)
    config = str(written(stack.config, tmp_path / "gateway.toml"))
    code, said, _ = await invoke("operations", "explain", id, "--config", config)
    assert code == 0
    for words in (
        "needs_review",
        "contradiction",
        "attempt 1",
        "HTTP 200",
        "What to do:",
        f"{id}/close",
        "is not everything",
    ):
        assert words in said, words
    assert "31926819" not in said
    assert (await invoke("operations", "explain", "op_nothing", "--config", config))[0] == 1


async def test_the_audit_log_holds_and_shows_a_change(stack: Stack, tmp_path: Path) -> None:
    await reviewed(stack)
    config = str(written(stack.config, tmp_path / "gateway.toml"))
    code, said, _ = await invoke("audit", "verify", "--config", config)
    assert code == 0
    assert "0 broken" in said
    with sqlite3.connect(tmp_path / "journal.db") as journal:
        journal.execute("UPDATE audit SET state = 'succeeded' WHERE seq = 2")
    code, _, said = await invoke("audit", "verify", "--config", config)
    assert code == 1
    assert "entry 2" in said


async def test_list_and_explain_tell_which_approvals_are_awaited(stack: Stack, tmp_path: Path) -> None:
    raw = stack.config | {"approvals": [{"name": "all", "approvers": 1, "when": {"tenant": ["default"]}}]}
    stack.gateway.writer.policies = parse(raw).approvals
    reply = await stack.write("POST", "/v1/payouts", order())
    operation = reply.json()["operation"]
    config = str(written(stack.config, tmp_path / "gateway.toml"))
    code, said, _ = await invoke("operations", "list", "--state", "awaiting_approval", "--config", config)
    assert code == 0
    assert "0 of 1 approvals" in said
    _, said, _ = await invoke("operations", "explain", operation["id"], "--config", config)
    for words in (
        "It has 0 of 1 approvals of policy all",
        f'{operation["id"]}/approve {{"fingerprint": "{operation["approval"]["fingerprint"]}"}}',
        "payouts:approve and is not everything",
        "No attempt was made.",
    ):
        assert words in said, words
    checker = {"Authorization": "Bearer test-payouts:approve"}
    denied = f"/v1/operations/{operation['id']}/deny"
    await stack.call.post(denied, json={"note": "no such invoice"}, headers=checker)
    _, said, _ = await invoke("operations", "explain", operation["id"], "--config", config)
    assert "payouts:approve decided deny: no such invoice" in said
    assert "approvals of policy" not in said


async def test_who_is_on_call_needs_no_provider_s_secret_and_no_other_section(stack: Stack, tmp_path: Path) -> None:
    id = await reviewed(stack)
    bank = stack.config["connections"]["bank"]
    bank["credentials"] = dict.fromkeys(bank["credentials"], "file:/not/here")
    config = str(written(stack.config | {"routes": [{"name": "r", "to": ["nobody"]}]}, tmp_path / "gateway.toml"))
    for command in (["operations", "list"], ["operations", "explain", id], ["audit", "verify"]):
        code, _, said = await invoke(*command, "--config", config)
        assert (code, said) == (0, ""), command


async def test_what_the_command_does_need_is_checked_still(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[journal]\nurl = "mysql://payouts"\n[audit]\nkey = "env:TEST_NOT_THERE"\n')
    code, _, said = await invoke("operations", "list", "--config", str(path))
    assert (code, "gateway.toml:2: journal.url" in said, "audit" in said) == (1, True, False)
    code, _, said = await invoke("audit", "verify", "--config", str(path))
    assert (code, "gateway.toml:4: audit.key" in said) == (1, True)
