"""The commands that ask and answer at random, as a person types them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.conformance import random_commands
from gateway.conformance.subject import Subject
from tests.conformance.test_fuzz import KnowsNoOtherWords
from tests.conformance.wrong_requests import SwallowsNotes


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["contracts", *arguments])
    return done.exit_code, done.stdout


@pytest.mark.parametrize("command", ["requests", "fuzz"])
def test_all_providers_stand_in_one_table(command: str) -> None:
    code, said = invoke(command, "--count", "200")
    assert code == 0
    rows = [line for line in said.splitlines() if "passed" in line]
    assert len(rows) == 4
    assert all("200" in row for row in rows)


@pytest.mark.parametrize("command", ["requests", "fuzz"])
def test_machines_get_the_counts_and_the_seed(command: str) -> None:
    code, said = invoke(command, "ledger", "--count", "50", "--seed", "7", "--json")
    (found,) = json.loads(said)
    assert (code, found["provider"], found["seed"], found["failures"]) == (0, "ledger", 7, [])


@pytest.mark.parametrize(
    ("command", "plugin", "says"),
    [("requests", SwallowsNotes, "/notes is missing"), ("fuzz", KnowsNoOtherWords, "KeyError")],
)
def test_a_failure_is_shown_with_what_puts_it_again(
    command: str, plugin: type, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = replace(Subject.installed(plugin.name), plugin=plugin)
    monkeypatch.setattr(random_commands.Subject, "installed", lambda name: subject)
    code, said = invoke(command, plugin.name, "--count", "1500", "--seed", "7")
    assert (code, "FAILED" in said) == (1, True)
    assert says in said
    line = next(line for line in said.splitlines() if "--seed 7" in line)
    number = line.split()[1].rpartition("/")[2]
    code, again = invoke(command, plugin.name, "--count", "1500", "--seed", "7", "--only", number)
    assert (code, line in again.splitlines()) == (1, True)


def test_a_provider_that_is_not_installed_is_named() -> None:
    done = CliRunner().invoke(main, ["contracts", "fuzz", "nobody"])
    assert done.exit_code == 1
    assert "'nobody'" in done.stderr
