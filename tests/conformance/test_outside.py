"""A plugin that is none of ours, over a contract that is built otherwise, goes the same way through the suite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from contracts.agreement import disagreements
from gateway.conformance.running import run
from gateway.conformance.subject import Subject
from providers.sdk import Call, Payout, PayoutStatus, read
from tests.conformance.acmepay import AcmePay

CONTRACT = Path(__file__).parent / "acmepay"


def acmepay() -> Subject:
    return Subject.named("tests.conformance.acmepay:AcmePay", CONTRACT)


def test_everything_of_it_is_reached_and_passes() -> None:
    subject = acmepay()
    assert disagreements(subject.document, subject.mapping) == []
    report = run(subject)
    assert report.failures == []
    assert report.coverage.missing == []
    assert report.passed


class Hopeful(AcmePay):
    def status(self, word: str) -> PayoutStatus:
        return super().status("done" if word == "sent" else word)


class Silent(AcmePay):
    @read("show")
    def get(self, id: str) -> Call[Payout]:
        return replace(super().get(id), success=frozenset({200, 204}))


def test_what_is_wrong_with_it_is_named() -> None:
    for wrong, case in ((Hopeful, "show.get/200/variants/done: state is the word sent"), (Silent, "show.get/")):
        report = run(replace(acmepay(), plugin=wrong))
        assert any(failure.case.startswith(case) for failure in report.failures)


class Trusting(AcmePay):
    """It takes every answer for a payout, also one that says otherwise."""

    def must_echo(self, payout: Payout, **asked: object) -> Payout:
        return payout


def test_what_came_is_told_in_a_few_words() -> None:
    failures = run(replace(acmepay(), plugin=Trusting)).failures
    assert "answered with a payout, and must be contradicted or unclear" in {failure.got for failure in failures}
    assert all(len(failure.got) < 200 for failure in failures)
