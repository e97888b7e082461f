"""`payout-gateway contracts test`: what people and machines are told."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from contracts.cases import Case, generate
from contracts.document import Document
from contracts.mapping import Mapping
from contracts.scenarios import scenarios_in
from gateway.cli import main
from gateway.conformance import running
from gateway.conformance.subject import Subject
from gateway.plugins import CONTRACTS, installed
from providers.ledger import Ledger
from providers.sdk import PayoutStatus

ONE = "get_payout.get/200/examples/approved"


class BelievesEverything(Ledger):
    def status(self, word: str) -> PayoutStatus:
        return PayoutStatus.COMPLETED


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed ledger that takes every word for completed."""
    right = Subject.installed

    def wrongly(name: str) -> Subject:
        return replace(right(name), plugin=BelievesEverything)

    with monkeypatch.context() as patched:
        patched.setattr(Subject, "installed", wrongly)
        yield


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cases of one operation only, where it is told what fails and not whether everything was reached."""

    def of_one(document: Document, mapping: Mapping) -> Iterator[Case]:
        return (case for case in generate(document, mapping) if case.operation == "get_payout")

    monkeypatch.setattr(running, "generate", of_one)


def test_a_table_compares_the_providers() -> None:
    done = CliRunner().invoke(main, ["contracts", "test", "ledger"])
    assert done.exit_code == 0, done.output
    for word in ("ledger", "variants", "transport", "cases/s", "keyword locations", "documented answers", "passed"):
        assert word in done.stdout
    assert "24/24" in done.stdout


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of an installed provider's contract; nothing simulates it."""
    folder = shutil.copytree(CONTRACTS / "ledger", tmp_path / "contract")
    mapping = folder / "mapping.yaml"
    mapping.write_text(mapping.read_text().replace("provider: ledger", "provider: acme", 1))
    acme = type("Acme", (Ledger,), {"name": "acme"})
    monkeypatch.setattr(Subject, "installed", lambda name: Subject._of(acme, folder))
    return folder


def test_scenarios_that_no_simulator_can_run_are_counted(outside: Path) -> None:
    count = len(scenarios_in(outside))
    done = CliRunner().invoke(main, ["contracts", "test", "acme"])
    assert done.exit_code == 0, done.output
    assert f"{count} scenarios not run: no simulator for acme" in done.stdout
    done = CliRunner().invoke(main, ["contracts", "test", "acme", "--json"])
    assert json.loads(done.stdout)[0]["scenarios_not_run"] == count


@pytest.mark.usefixtures("few")
def test_scenarios_with_a_mistake_fail_by_name_even_where_none_can_run(outside: Path) -> None:
    file = outside / "scenarios.yaml"
    file.write_text(file.read_text().replace("call: approve", "call: aprove", 1))
    done = CliRunner().invoke(main, ["contracts", "test", "acme"])
    assert done.exit_code == 1
    assert "no capability is called aprove" in done.output


@pytest.mark.usefixtures("few")
def test_a_mapping_that_disagrees_is_counted_in_the_table(outside: Path) -> None:
    file = outside / "mapping.yaml"
    file.write_text(file.read_text().replace(', "503": unclear', ""))
    done = CliRunner().invoke(main, ["contracts", "test", "acme"])
    assert done.exit_code == 1
    [row] = [line for line in done.stdout.splitlines() if "mapping faults" in line]
    assert [cell.strip() for cell in row.split("│")][2] == "4"
    assert "operations.get_payout: statuses: 503 is documented, and the mapping lacks it" in done.stdout


def test_machines_get_the_numbers() -> None:
    done = CliRunner().invoke(main, ["contracts", "test", "ledger", "--json"])
    assert done.exit_code == 0, done.output
    (report,) = json.loads(done.stdout)
    assert (report["provider"], report["passed"], report["failures"], report["missing"]) == ("ledger", True, [], [])
    assert sum(report["cases"].values()) >= 3000
    assert report["keyword_locations"][0] == report["keyword_locations"][1]


@pytest.mark.usefixtures("wrong")
def test_a_failure_says_what_was_expected_what_came_and_how_to_run_it_again() -> None:
    done = CliRunner().invoke(main, ["contracts", "test", "ledger", "--only", ONE])
    assert done.exit_code == 1
    assert f"ledger 1 x status is read as 'completed', and is 'approved'; the first: {ONE}" in done.stdout
    assert "expected: answered as " in done.stdout
    assert f"payout-gateway contracts test ledger --only '{ONE}'" in done.stdout


@pytest.mark.usefixtures("wrong", "few")
def test_one_cause_is_told_once_with_the_number_of_its_cases() -> None:
    done = CliRunner().invoke(main, ["contracts", "test", "ledger"])
    assert done.exit_code == 1
    told = [line for line in done.stdout.splitlines() if "and is 'approved'; the first: " in line]
    [count] = [re.search(r"ledger ([\d,]+) x status is read as 'completed', and is 'approved'", line) for line in told]
    assert int(count[1].replace(",", "")) > 100
    assert all(len(line) < 300 for line in done.stdout.splitlines() if " x " in line)


@pytest.mark.usefixtures("wrong", "few")
def test_machines_get_every_failure() -> None:
    done = CliRunner().invoke(main, ["contracts", "test", "ledger", "--json"])
    assert done.exit_code == 1
    (report,) = json.loads(done.stdout)
    assert report["passed"] is False
    assert ONE in {failure["case"] for failure in report["failures"]}


def test_one_case_alone_may_pass() -> None:
    assert CliRunner().invoke(main, ["contracts", "test", "ledger", "--only", ONE]).exit_code == 0


def test_a_case_that_is_not_there_is_no_success() -> None:
    done = CliRunner().invoke(main, ["contracts", "test", "ledger", "--only", "nothing"])
    assert done.exit_code == 1
    assert "no case" in done.output


def test_a_provider_that_is_not_installed_is_named_with_those_that_are() -> None:
    done = CliRunner().invoke(main, ["contracts", "test", "acmepay"])
    assert done.exit_code == 1
    assert "acmepay" in done.output
    assert all(name in done.output for name in installed())
