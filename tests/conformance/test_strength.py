"""The contract tests notice faults: all those in the tables, all known mistakes, and what mutmut's operators change."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.conformance.strength.bench import Bench
from gateway.conformance.strength.judging import Judgement, judge
from gateway.conformance.strength.mutant import Family, Inapplicable, Mutant
from gateway.conformance.strength.reach import reached
from gateway.conformance.strength.status import markdown, published, read
from gateway.conformance.strength.survivors import SurvivorsInvalid, doubts, explanations
from gateway.conformance.subject import Subject
from gateway.plugins import CONTRACTS
from providers.sdk import Effect, PayoutStatus
from tests.contracts.plugins import PROVIDERS

README = Path(__file__).parents[2] / "README.md"
SHARE = "ledger"  # all of its table and domain mutants are judged here; `contracts strength` judges everyone's


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.of(Subject.installed(SHARE), (Family.TABLE, Family.DOMAIN))


def named(bench: Bench, name: str) -> Mutant:
    return next(mutant for mutant in bench.mutants if mutant.name == name)


def test_the_suite_notices_every_table_mutant_and_every_known_mistake(bench: Bench) -> None:
    judgements = [judge(bench, number) for number in range(len(bench.mutants))]
    assert len(judgements) > 150
    assert [each for each in judgements if each.killed_by is None] == []


def test_a_suite_that_notices_nothing_kills_nothing(bench: Bench) -> None:
    blind = Bench(bench.subject, bench.mutants, (), lambda *asked: None)
    assert judge(blind, 0) == Judgement(0, Family.TABLE, bench.mutants[0].name, None)


def test_a_suite_that_never_ends_is_a_killed_mutant(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def for_ever(*asked: object) -> str | None:
        while True:
            pass

    monkeypatch.setattr("gateway.conformance.strength.judging.SECONDS", 0.01)
    assert judge(Bench(bench.subject, bench.mutants, (), for_ever), 0).killed_by == "not done after 0 seconds"


def test_a_plugin_that_cannot_be_made_is_a_killed_mutant(bench: Bench) -> None:
    def broken(*asked: object) -> str | None:
        raise TypeError("test")

    assert judge(Bench(bench.subject, bench.mutants, (), broken), 0).killed_by == "the suite ends with TypeError"


def test_each_word_of_a_table_is_changed_to_every_other_status_and_deleted(bench: Bench) -> None:
    names = {mutant.name for mutant in bench.mutants}
    others = {f"statuses: paid is {status}" for status in PayoutStatus if status not in ("completed", "unknown")}
    assert {*others, "statuses: paid deleted"} <= names
    assert {"complete: 400 deleted", "complete: 400 is not_found", "complete: success is none"} <= names


def test_a_mutant_changes_the_plugin_as_long_as_it_is_applied(bench: Bench) -> None:
    plugin = bench.subject.plugin
    with named(bench, "statuses: paid is failed").applied(plugin) as changed:
        assert changed.statuses["paid"] is PayoutStatus.FAILED
    assert plugin.statuses["paid"] is PayoutStatus.COMPLETED
    with named(bench, "a write is declared a read").applied(plugin) as changed:
        assert changed.offers()["complete"][0] is Effect.READ
    assert plugin.offers()["complete"][0] is Effect.CONVERGENT


def test_a_mistake_that_a_provider_cannot_make_is_named_and_not_counted(bench: Bench) -> None:
    assert Inapplicable("only the first page is read", "no list has pages") in bench.inapplicable
    assert "only the first page is read" not in {mutant.name for mutant in bench.mutants}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_changes_of_the_source_reach_the_capabilities_and_leave_nothing_behind(provider: str) -> None:
    mutants = Bench.of(Subject.installed(provider), (Family.SOURCE,)).mutants
    plugin = Subject.installed(provider).plugin
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    assert len(mutants) == read(CONTRACTS / provider).source.mutants, "measure anew: contracts strength"
    changed = [mutant for mutant in mutants if mutant.name.startswith(f"{plugin.__name__}.list_payouts: ")]
    assert changed
    code = plugin.list_payouts.__wrapped__.__code__  # type: ignore[attr-defined]
    for mutant in changed:
        with mutant.applied(plugin):
            assert plugin.list_payouts.__wrapped__.__code__ != code  # type: ignore[attr-defined]
    assert plugin.list_payouts.__wrapped__.__code__ is code  # type: ignore[attr-defined]


def test_a_survivor_needs_an_explanation_and_an_explanation_a_survivor() -> None:
    found = doubts(["one", "two"], {"two": "a text for people", "three": "it cannot be seen"})
    assert (found.unexplained, found.outdated) == (["one"], ["three"])
    assert not doubts(["two"], {"two": "a text for people"})


def test_explanations_are_entries_of_why_and_mutants(tmp_path: Path) -> None:
    assert explanations(tmp_path) == {}
    (tmp_path / "survivors.yaml").write_text("- why: a text\n  mutants: [one, two]\n")
    assert explanations(tmp_path) == {"one": "a text", "two": "a text"}
    (tmp_path / "survivors.yaml").write_text("one: a text\n")
    with pytest.raises(SurvivorsInvalid):
        explanations(tmp_path)


def test_the_readme_shows_what_was_measured() -> None:
    statuses = [read(CONTRACTS / provider) for provider in PROVIDERS]
    text = README.read_text("utf-8")
    assert markdown(statuses) in text
    assert published(text, statuses) == text


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_was_measured_is_what_was_promised(provider: str) -> None:
    status = read(CONTRACTS / provider)
    assert status.coverage.pairs_seen == status.coverage.pairs
    assert status.coverage.keywords_seen == status.coverage.keywords
    assert (status.table.survived, status.domain.survived) == ({}, {})
    assert status.source.killed >= 0.9 * status.source.mutants
    assert "not explained" not in status.source.survived.values()


def test_a_changed_function_is_tried_with_the_capabilities_that_can_come_to_it() -> None:
    source = """
class Acme:
    def get(self): return self._one()
    def stats(self): return figures()
    def authorize(self): return shared()
    def _one(self): return shared()

def figures(): ...
def shared(): ...
"""
    assert reached(source, "Acme") == {
        ("Acme", "get"): {"get"},
        ("Acme", "_one"): {"get"},
        ("Acme", "stats"): {"stats"},
        ("figures",): {"stats"},
    }
