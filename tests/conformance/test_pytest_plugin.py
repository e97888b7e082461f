"""The author of an outside plugin runs the suite with one line of pytest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.plugins import CONTRACTS

RIGHT = '''
"""A payout provider of somebody else's, which nothing has registered."""

from providers.ledger import Ledger


class AcmePay(Ledger):
    name = "acmepay"
'''
WRONG = (
    RIGHT
    + """
    def status(self, word):
        return self.statuses[word.strip().lower()]
"""
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package outside of this one, with its contract beside it."""
    folder = tmp_path / "acme_payouts"
    contract = folder / "contract"
    contract.mkdir(parents=True)
    (folder / "__init__.py").write_text(RIGHT)
    for name in ("openapi.yaml", "mapping.yaml"):
        shutil.copy(CONTRACTS / "ledger" / name, contract / name)
    mapping = contract / "mapping.yaml"
    mapping.write_text(mapping.read_text().replace("provider: ledger", "provider: acmepay"))
    return tmp_path


def run_pytest(folder: Path, *arguments: str, beside: bool = False) -> subprocess.CompletedProcess[str]:
    """pytest in a process and a folder of its own, with the plugin as the package installs it.

    `beside`: with all other plugins of this environment, too, which take some seconds to import.
    """
    others = {} if beside else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    paths = (str(folder), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    command = [sys.executable, "-m", "pytest", "-p", "gateway.conformance.pytest_plugin", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "--rootdir", str(folder), *arguments],
        cwd=folder,
        env={**os.environ, **others, "COLUMNS": "400", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


ONE_LINE = ("--provider", "acme_payouts:AcmePay", "--contract", "acme_payouts/contract")


def test_one_line_runs_everything_for_an_outside_plugin(package: Path) -> None:
    done = run_pytest(package, *ONE_LINE, "-q", beside=True)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(done.stdout.split(" passed")[0].rpartition("\n")[2])
    assert passed > 100


def test_a_broken_plugin_fails_and_its_case_is_named(package: Path) -> None:
    (package / "acme_payouts" / "__init__.py").write_text(WRONG)
    done = run_pytest(package, *ONE_LINE, "-k", "get_payout and 200")
    assert done.returncode == 1, done.stdout
    assert "get_payout.get/200/variants/approved: status is an unknown word" in done.stdout
    assert "KeyError escaped" in done.stdout
    [failed] = [line for line in done.stdout.splitlines() if line.startswith("FAILED") and "/variants" in line]
    again = "-k get_payout:get/200/variants"
    assert f"  again:    pytest {' '.join(ONE_LINE)} {again}" in done.stdout.splitlines()
    done = run_pytest(package, *ONE_LINE, *again.split())
    assert "1 failed" in done.stdout
    assert " - 3 x status is read as 'approved', and is 'unknown'; the first: get_payout.get/200/variants/" in failed


FORGETS = (
    RIGHT
    + """
    def complete(self, id, mark):
        call = super().complete(id, mark)
        return call if mark.notes is None else self.approve(id, mark)
"""
)


def test_what_it_sends_and_reads_at_random_is_tested_too(package: Path) -> None:
    (package / "acme_payouts" / "__init__.py").write_text(FORGETS)
    done = run_pytest(package, *ONE_LINE, "--asks", "600", "--replies", "300", "-k", "requests or fuzz")
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "requests/complete/" in done.stdout
    assert "it calls itself approve_payout, and is mark_payout_paid" in done.stdout


def test_a_contract_that_the_generator_does_not_understand_fails_by_name(package: Path) -> None:
    contract = package / "acme_payouts" / "contract" / "openapi.yaml"
    contract.write_text(
        contract.read_text().replace("commission_count: {type: integer", "commission_count: {multipleOf: 1", 1)
    )
    assert "multipleOf" in contract.read_text()
    done = run_pytest(package, *ONE_LINE, "-q")
    assert done.returncode == 2, done.stdout
    assert "the generator does not understand 'multipleOf'" in done.stdout


def test_a_mapping_that_does_not_agree_with_its_contract_is_told_so(package: Path) -> None:
    mapping = package / "acme_payouts" / "contract" / "mapping.yaml"
    mapping.write_text(mapping.read_text().replace("  approved_by: the unified payout names no approver\n", ""))
    done = run_pytest(package, *ONE_LINE, "-k", "mapping")
    assert done.returncode == 1, done.stdout
    assert "/approved_by is documented, and neither mapped nor left out" in done.stdout


SCENARIOS = """\
scenarios:
  - name: a payout is approved
    steps: [{call: approve, with: {id: test-1}}]
  - name: a payout is shown
    steps: [{call: get, with: {id: test-1}}]
"""


def test_scenarios_that_no_simulator_can_run_are_counted(package: Path) -> None:
    (package / "acme_payouts" / "contract" / "scenarios.yaml").write_text(SCENARIOS)
    done = run_pytest(package, *ONE_LINE, "-q", "-k", "scenarios")
    assert done.returncode == 0, done.stdout
    assert "2 scenarios not run: no simulator for acmepay" in done.stdout


def test_that_there_are_no_scenarios_is_said(package: Path) -> None:
    done = run_pytest(package, *ONE_LINE, "-q", "-k", "scenarios")
    assert done.returncode == 0, done.stdout
    assert "no scenarios run: acmepay has no scenarios.yaml" in done.stdout


def test_scenarios_with_a_mistake_fail_by_name_even_where_none_can_run(package: Path) -> None:
    file = package / "acme_payouts" / "contract" / "scenarios.yaml"
    file.write_text(SCENARIOS.replace("call: approve", "call: aprove"))
    done = run_pytest(package, *ONE_LINE, "-q", "-k", "scenarios")
    assert done.returncode == 1, done.stdout
    assert "no capability is called aprove" in done.stdout


def test_the_scenarios_of_a_provider_with_a_simulator_are_run(package: Path) -> None:
    done = run_pytest(package, "--provider", "ledger", "-q", "-k", "scenarios")
    assert done.returncode == 0, done.stdout
    assert "not run" not in done.stdout


def test_tests_of_the_authors_own_run_beside_it(package: Path) -> None:
    (package / "test_own.py").write_text("def test_own():\n    pass\n")
    done = run_pytest(package, *ONE_LINE, "-q", "-k", "test_own or coverage")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--provider", "acme_payouts:Nobody", "--contract", "acme_payouts/contract"), "cannot be loaded"),
        (("--provider", "acme_payouts:AcmePay"), "needs --contract"),
        (("--provider", "acme_payouts:AcmePay", "--contract", "acme_payouts"), "holds no openapi.yaml"),
        (("--provider", "nobody"), "no provider 'nobody' is installed"),
        (("--contract", "acme_payouts/contract"), "--contract FOLDER needs --provider"),
    ],
)
def test_what_cannot_be_tested_is_said_in_words(package: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run_pytest(package, *arguments)
    assert done.returncode == 4, done.stdout + done.stderr
    assert said in done.stderr


def test_without_a_provider_pytest_is_what_it_was(package: Path) -> None:
    (package / "test_own.py").write_text("def test_own():\n    pass\n")
    done = run_pytest(package, "-q")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
