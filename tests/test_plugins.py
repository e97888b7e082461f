"""Plugins of other people's, installed as packages are: a broken one is named, and stops no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """
from providers.ledger import Ledger


class Acme(Ledger):
    name = "acme"
"""
BROKEN = [
    ("import nothing_of_that_name\n", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
    ('raise RuntimeError("two\\nlines")\n', "RuntimeError: two lines"),
    (GOOD.replace('"acme"', '"acne"'), "the name of acme:Acme is 'acne', not that of its entry point"),
    ("Acme = dict\n", "acme:Acme is no providers.sdk.Provider"),
]
NAMES = ["firstpromoter", "heldsway", "ledger", "tokenio"]


def install(folder: Path, source: str) -> None:
    (folder / "acme.py").write_text(source)
    info = folder / "acme-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[payout_gateway.providers]\nacme = acme:Acme\n")


def gateway(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = (str(folder), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    return subprocess.run(
        [sys.executable, "-c", "from gateway.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_installed_plugin_stands_beside_the_built_in_ones(tmp_path: Path) -> None:
    install(tmp_path, GOOD)
    done = gateway(tmp_path, "providers", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(json.loads(done.stdout)) == ["acme", *NAMES]


@pytest.mark.parametrize(("source", "reason"), BROKEN)
def test_a_plugin_that_cannot_be_loaded_is_one_line_and_the_others_go_on(
    tmp_path: Path, source: str, reason: str
) -> None:
    install(tmp_path, source)
    done = gateway(tmp_path, "providers", "--json")
    assert done.returncode == 0
    assert list(json.loads(done.stdout)) == NAMES
    [line] = done.stderr.splitlines()
    assert line.endswith(f"ERROR gateway.plugins: plugin acme (acme 0.1) cannot be loaded: {reason}")


def test_a_connection_of_a_plugin_that_cannot_be_loaded_is_a_fault_of_the_config(tmp_path: Path) -> None:
    install(tmp_path, BROKEN[0][0])
    config = tmp_path / "gateway.toml"
    config.write_text('[connections.a]\nprovider = "acme"\nbase_url = "https://acme.example.test"\ncredentials = {}\n')
    done = gateway(tmp_path, "check", "--config", str(config))
    assert done.returncode == 1
    assert "connections.a.provider: 'acme' is not installed" in done.stderr
    assert "plugin acme (acme 0.1) cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_contract_tests_say_why_a_plugin_cannot_be_tested(tmp_path: Path) -> None:
    install(tmp_path, BROKEN[0][0])
    done = gateway(tmp_path, "contracts", "test", "acme")
    assert done.returncode == 1
    assert "Error: plugin acme (acme 0.1) cannot be loaded: ModuleNotFoundError" in done.stderr
