"""Whatever callers ask, each plugin refuses it before anything is sent, or sends the one request that is right."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from contracts.mapping import Mapping
from gateway.conformance.requests import run_requests
from gateway.conformance.subject import Subject
from gateway.plugins import installed
from tests.conformance.wrong_requests import WRONG, WrongPlugin

SHARE = 2_500  # of each provider; `payout-gateway contracts requests` puts 10,000


@pytest.mark.parametrize("provider", installed())
def test_every_ask_is_refused_or_becomes_the_one_right_request(provider: str) -> None:
    report = run_requests(Subject.installed(provider), SHARE)
    assert report.failures == []
    assert report.total == SHARE
    assert report.sent > SHARE / 2 > report.refused > SHARE / 50


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.plugin.__name__)
def test_a_plugin_that_sends_something_wrong_is_named(wrong: WrongPlugin) -> None:
    subject = replace(Subject.installed(wrong.plugin.name), plugin=wrong.plugin)
    (failure,) = run_requests(subject, SHARE, stop_at_first=True).failures
    assert wrong.capability in ("", failure.case.split("/")[1])
    assert wrong.says in failure.got


def test_a_field_that_nobody_carries_or_keeps_must_be_refused() -> None:
    subject = Subject.installed("ledger")
    raw = deepcopy(subject.mapping.raw)
    raw["operations"]["approve_payout"]["refuses"].remove("notes")
    (failure,) = run_requests(replace(subject, mapping=Mapping(raw)), SHARE, stop_at_first=True).failures
    assert "no documented request can carry /notes" in failure.got


def test_one_ask_can_be_put_again() -> None:
    wrong = next(each for each in WRONG if each.plugin.__name__ == "SwallowsNotes")
    subject = replace(Subject.installed("heldsway"), plugin=wrong.plugin)
    first = run_requests(subject, SHARE, stop_at_first=True).failures
    number = int(first[0].case.rpartition("/")[2])
    assert run_requests(subject, SHARE, only=number).failures == first
