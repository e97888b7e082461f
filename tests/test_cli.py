"""The commands, as a person types them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.config import parse
from gateway.keys import hashed
from gateway.plugins import installed
from gateway.store.sqlite import SqliteStore
from tests.tour import running_dev


def invoke(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, arguments)
    return done.exit_code, done.stdout, done.stderr


def test_check_names_each_fault_and_exits_1(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[server]\nport = 99999\n[[routes]]\nname = "x"\nto = ["nobody"]\n')
    code, _, said = invoke("check", "--config", str(path))
    assert code == 1
    assert "server.port: must be 0 to 65535" in said
    assert "routes.0.to: there is no connection 'nobody'" in said


def test_check_speaks_json_to_machines(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("[server]\nport = 99999\n")
    code, said, _ = invoke("check", "--config", str(path), "--json")
    assert code == 1
    fault = {"line": 2, "path": "server.port", "message": "must be 0 to 65535"}
    assert json.loads(said) == {"ok": False, "faults": [fault]}


def test_check_accepts_what_run_accepts(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("[server]\nport = 8080\n")
    assert invoke("check", "--config", str(path))[0] == 0


def test_run_with_a_broken_config_says_what_is_wrong(tmp_path: Path) -> None:
    code, _, said = invoke("run", "--config", str(tmp_path / "nothing.toml"))
    assert code == 1
    assert "No such file" in said


def test_providers_shows_what_the_plugins_define() -> None:
    code, said, _ = invoke("providers", "--json")
    assert code == 0
    matrix = json.loads(said)
    assert set(matrix) == set(installed())
    assert matrix["tokenio"]["create"] == "create"
    assert "create" not in matrix["heldsway"]
    assert "heldsway" in invoke("providers")[1]


def test_a_new_key_works_once_its_toml_is_pasted() -> None:
    import tomllib

    scopes = "payouts:read,payouts:write"
    code, said, _ = invoke("key", "new", "--name", "payroll", "--scopes", scopes, "--expires", "2027-01-01")
    assert code == 0
    key = next(line.strip() for line in said.splitlines() if line.strip().startswith("pgk_"))
    config = parse(tomllib.loads(said[said.index("[[api_keys]]") :]))
    assert config.api_keys[0].hashes == (hashed(key),)
    assert config.api_keys[0].expires == date(2027, 1, 1)


@pytest.mark.parametrize("scopes", ["payouts:all", ""])
def test_an_unknown_scope_is_refused_with_the_list(scopes: str) -> None:
    code, _, said = invoke("key", "new", "--name", "x", "--scopes", scopes)
    assert code == 2
    assert "payouts:approve" in said


def test_simulate_refuses_an_unknown_provider() -> None:
    code, _, said = invoke("simulate", "nobody")
    assert code == 1
    assert "ledger" in said


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"], ["dev", "--help"], ["key", "new", "--help"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    code, said, _ = invoke(*command)
    assert code == 0
    assert "Usage" in said


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_dev_stops_cleanly(signal_number: int) -> None:
    with running_dev() as dev:
        port = dev.ports["8080"]
        assert httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False).json()["status"] == "ok"
        dev.process.send_signal(signal_number)
        assert dev.process.wait(15) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False)


def test_a_port_in_use_is_said_in_one_line() -> None:
    with running_dev() as dev:
        command = [sys.executable, "-m", "gateway", "dev", "--port", dev.ports["8080"]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_journal_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'[journal]\nurl = "sqlite:///{tmp_path}/journal.db"\n')
    first = SqliteStore(tmp_path / "journal.db")
    command = [sys.executable, "-m", "gateway", "run", "--config", str(path), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    asyncio.run(first.close())
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "journal.db" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
