"""`payout-gateway contracts strength` tells what was missed, fails for it, and publishes what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from contracts.cases import documented
from contracts.coverage import Coverage as Reached
from gateway.cli import main
from gateway.conformance.report import Failure, Report
from gateway.conformance.strength import command
from gateway.conformance.strength.bench import Origin
from gateway.conformance.strength.judging import Judgement, Work
from gateway.conformance.strength.measuring import measured
from gateway.conformance.strength.mutant import Family
from gateway.conformance.strength.status import Coverage, Killed, Status, markdown, published, read, write
from gateway.conformance.subject import Subject

Judging = Callable[[Iterable[Work], int], Iterator[tuple[Origin, list[Judgement]]]]

STATUS = Status(
    provider="acme",
    date="2026-11-20",
    versions={"python": "3.11.7"},
    cases={"examples": 3, "wire": 1200},
    coverage=Coverage(4, 4, 20, 20),
    table=Killed(10, 10),
    domain=Killed(5, 5, {"only the first page is read": "no list has pages"}),
    source=Killed(100, 95, survived={"Acme.get: a → b": "a text"}),
)


def judging(killed_by: str | None) -> Judging:
    def judged(work: Iterable[Work], processes: int) -> Iterator[tuple[Origin, list[Judgement]]]:
        for each in work:
            yield each.origin, [Judgement(n, Family.DOMAIN, f"mistake {n}", killed_by) for n in each.numbers]

    return judged


def passing(subject: Subject) -> Report:
    return Report(subject.name, Reached(subject.document))


def failing(subject: Subject) -> Report:
    return Report(subject.name, Reached(subject.document), failures=[Failure("get/200/examples/one", "this", "that")])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def ask(*words: str, killed_by: str | None = "a case", run: Callable[[Subject], Report] = passing) -> Result:
        monkeypatch.setattr(command, "judged", judging(killed_by))
        monkeypatch.setattr(command, "run", run)
        return CliRunner().invoke(main, ["contracts", "strength", "ledger", *words])

    return ask


def test_what_is_noticed_passes_and_one_family_alone_writes_nothing(asked: Callable[..., Result]) -> None:
    result = asked("--only", "domain")
    assert (result.exit_code, "ledger" in result.stdout, "46/46" in result.stdout) == (0, True, True)


def test_what_is_missed_is_named_and_fails(asked: Callable[..., Result]) -> None:
    result = asked("--only", "domain", killed_by=None)
    assert result.exit_code == 1
    assert "ledger: missed: domain: mistake 0" in result.stderr


def test_a_plugin_that_fails_its_tests_as_it_is_is_not_measured(asked: Callable[..., Result]) -> None:
    result = asked("--only", "domain", run=failing)
    assert result.exit_code == 1
    assert "ledger fails its tests as it is, first at get/200/examples/one" in result.stderr


def test_machines_get_the_status(asked: Callable[..., Result]) -> None:
    (status,) = json.loads(asked("--only", "domain", "--json").stdout)
    assert (status["provider"], status["domain"]["killed"], status["live"]) == ("ledger", 46, "never")
    assert status["domain"]["inapplicable"]["only the first page is read"] == "no list has pages"


def test_an_unknown_provider_is_refused_in_words() -> None:
    result = CliRunner().invoke(main, ["contracts", "strength", "acme", "--only", "table"])
    assert result.exit_code == 1
    assert "no provider 'acme' is installed" in result.stderr


def test_a_status_is_read_as_it_was_written_and_keeps_what_live_runs_said(tmp_path: Path) -> None:
    earlier = msgspec.structs.replace(STATUS, live="2026-11-01")
    write(tmp_path, earlier)
    assert read(tmp_path) == earlier
    origin = Origin("ledger")
    bench = command.Bench.of(origin.subject(), (Family.TABLE,))
    report = passing(bench.subject)
    for case in documented(bench.subject.document, bench.subject.mapping):
        report.coverage.see(case)
    found = measured(bench, report, [Judgement(0, Family.TABLE, "one", None)], tmp_path)
    assert (found.status.live, found.missed, found.passed) == ("2026-11-01", ["table: one"], False)
    assert found.status.coverage.pairs_seen == found.status.coverage.pairs


def test_the_table_stands_between_its_marks_only() -> None:
    row = "| acme | 1,203 | 4/4 | 20/20 | 10/10 | 5/5 | 95/100 (95.0%) | never |\n"
    assert markdown([STATUS]).endswith(row)
    text = "Before\n\n<!-- strength -->\nold\n<!-- /strength -->\n\nAfter\n"
    assert published(text, [STATUS]) == text.replace("old\n", markdown([STATUS]))
    assert published("no marks", [STATUS]) == "no marks"
