"""The suite passes on the four providers, reaches all that their contracts say, and can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from contracts.cases import Case, Family, NotUnderstood, generate
from contracts.coverage import Coverage
from contracts.document import Document
from contracts.expect import expect
from gateway.conformance.running import run
from gateway.conformance.subject import Subject
from tests.conformance.wrong_plugins import WRONG

PROVIDERS = ("firstpromoter", "heldsway", "ledger", "tokenio")


@cache
def cases_of(provider: str) -> list[Case]:
    subject = Subject.installed(provider)
    return list(generate(subject.document, subject.mapping))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_passes_and_everything_documented_is_reached(provider: str) -> None:
    report = run(Subject.installed(provider), cases=cases_of(provider))
    assert report.failures == []
    assert report.coverage.missing == []
    assert report.total >= 3000
    assert set(report.cases) == set(Family) - {Family.SCENARIOS}  # those need a simulator
    assert report.passed


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_case_stands_twice(provider: str) -> None:
    assert [id for id, count in Counter(case.id for case in cases_of(provider)).items() if count > 1] == []


DIGEST = """
import hashlib
from contracts.cases import generate
from gateway.conformance.subject import Subject
subject, told = Subject.installed("ledger"), hashlib.sha256()
for case in generate(subject.document, subject.mapping):
    told.update(repr((case.id, case.body, case.headers)).encode())
print(told.hexdigest())
"""


def test_cases_are_the_same_ones_each_time() -> None:
    """In processes that hash words differently, too: the order of a set must decide nothing."""
    seeds = [{**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2")]
    first, again = (subprocess.check_output([sys.executable, "-c", DIGEST], env=each) for each in seeds)
    assert first == again


@pytest.mark.parametrize("provider", PROVIDERS)
def test_another_spelling_of_an_answer_changes_nothing_that_is_expected(provider: str) -> None:
    mapping = Subject.installed(provider).mapping
    spellings = [case for case in cases_of(provider) if case.family is Family.METAMORPHIC]
    groups = {(case.operation, case.capability, case.status, case.label.partition(":")[0]) for case in spellings}
    for group in groups:
        members = [
            case
            for case in spellings
            if (case.operation, case.capability, case.status, case.label.partition(":")[0]) == group
        ]
        wanted = [replace(expect(case, mapping), also=frozenset()) for case in members]
        files = {case.body for case in members}
        assert all(each == wanted[0] for each in wanted) or len(files) == 1, group


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_plugin_is_named_by_family_and_operation(fault: str) -> None:
    wrong = WRONG[fault]
    chosen = [case for case in cases_of(wrong.base) if (case.family, case.operation) == (wrong.family, wrong.operation)]
    subject = Subject.installed(wrong.base)
    report = run(replace(subject, plugin=wrong.plugin), cases=chosen, stop_at_first=True)
    assert len(report.failures) == 1
    assert not report.passed
    named = {(failure.case.partition(".")[0], failure.case.split("/")[2]) for failure in report.failures}
    assert named == {(wrong.operation, wrong.family)}


def test_a_run_stops_at_the_first_failure_if_it_is_told_to() -> None:
    wrong = WRONG["takes an unknown word for completed"]
    subject = replace(Subject.installed(wrong.base), plugin=wrong.plugin)
    report = run(subject, cases=cases_of(wrong.base), stop_at_first=True)
    assert len(report.failures) == 1
    assert report.total < len(cases_of(wrong.base))


def test_one_case_is_run_again_by_its_id() -> None:
    case = cases_of("ledger")[100]
    report = run(Subject.installed("ledger"), only=case.id)
    assert (report.total, report.failures) == (1, [])


def test_nothing_run_is_nothing_passed() -> None:
    assert not run(Subject.installed("ledger"), cases=[]).passed


@pytest.mark.parametrize("provider", PROVIDERS)
def test_coverage_names_what_the_examples_alone_do_not_reach(provider: str) -> None:
    coverage = Coverage(Subject.installed(provider).document)
    for case in cases_of(provider):
        if case.family is Family.EXAMPLES:
            coverage.see(case)
    assert any(each.startswith("never violated: ") for each in coverage.missing)
    assert coverage.locations[0] < coverage.locations[1]


def test_what_cannot_be_reached_is_argued_by_its_name_and_only_then() -> None:
    document = Subject.installed("ledger").document
    bare = Coverage(document).missing
    location = next(each for each in bare if each.startswith("never violated: "))
    argued = Coverage(document, {location: "no answer can"}).missing
    assert set(bare) - set(argued) == {location}
    odd = Coverage(document, {"never violated: Nothing type": "no answer can"}).missing
    assert set(odd) - set(bare) == {"seen, and said to be unreachable: never violated: Nothing type"}


def test_coverage_tells_the_names_of_required_and_the_words_of_an_enum_apart() -> None:
    ways = Coverage(Subject.installed("tokenio").document).ways
    assert ("Payout required memberId", False) in ways
    assert ("PayoutStatus enum INITIATION_FAILED", True) in ways
    assert ("PayoutStatus enum", False) in ways


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "object", "dependentRequired": {"a": ["b"]}}, "'dependentRequired'"),
        ({"type": "string", "format": "iban"}, "'iban'"),
        ({"type": "string", "pattern": "^[a-f]{4}$"}, "an example of the pattern"),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, "'prefixItems'"),
    ],
)
def test_a_keyword_that_the_generator_does_not_understand_fails_by_name(schema: object, named: str) -> None:
    subject = Subject.installed("ledger")
    raw = {**subject.document.raw, "components": {**subject.document.raw["components"]}}
    schemas = {**raw["components"]["schemas"]}
    schemas["AdminPayout"] = {
        **schemas["AdminPayout"],
        "properties": {**schemas["AdminPayout"]["properties"], "odd": schema},
    }
    raw["components"]["schemas"] = schemas
    with pytest.raises(NotUnderstood, match=named):
        list(generate(Document(raw, "ledger"), subject.mapping))
