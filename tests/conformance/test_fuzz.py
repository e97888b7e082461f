"""However a reply is broken, a plugin reads what the documents allow or refuses it by a typed error."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import pytest

from contracts.fuzzing import SECRET, fuzzed
from gateway.conformance import fuzz
from gateway.conformance.fuzz import run_fuzz
from gateway.conformance.subject import Subject
from gateway.plugins import installed
from providers.firstpromoter import FirstPromoter, Record
from providers.heldsway import Heldsway
from providers.ledger import Full, Ledger
from providers.sdk import Malformed, Money, Payout, PayoutStatus, Problem, Provider, Reply
from providers.tokenio import TokenIo

SHARE = 5_000  # of each provider; `payout-gateway contracts fuzz` puts 100,000


@pytest.mark.parametrize("provider", installed())
def test_every_broken_reply_is_read_as_the_documents_allow_or_refused(provider: str) -> None:
    report = run_fuzz(Subject.installed(provider), SHARE)
    assert report.failures == []
    assert report.total == SHARE
    assert min(report.counts[kind] for kind in ("answered", "unclear", "refused")) > SHARE / 50


class BelievesUnknownWords(Heldsway):
    def status(self, word: str) -> PayoutStatus:
        return self.statuses.get(word, PayoutStatus.COMPLETED)


class KnowsNoOtherWords(Ledger):
    def status(self, word: str) -> PayoutStatus:
        return self.statuses[word]


class ShowsASecret(FirstPromoter):
    def _extensions(self, item: Record) -> dict[str, Any]:
        return super()._extensions(item) | {"unit": SECRET}


class RepeatsTheReply(TokenIo):
    def _payout(self, item: Any) -> Payout:
        try:
            return super()._payout(item)
        except Malformed:
            if not item.initiation or not item.initiation.amount:
                raise
            raise Malformed(f"cannot read the amount {item.initiation.amount.value}"[:60]) from None


class CountsInFloats(FirstPromoter):
    def _amount(self, item: Record) -> Money | None:
        amount = super()._amount(item)
        return amount and Money(amount.currency, int(float(amount.minor_units) * 1.01))


class ChokesOnErrors(Ledger):
    def problem(self, reply: Reply) -> Problem:
        return Problem(json.loads(reply.body)["error"])


class TakesHalfAReply(Ledger):
    def _full(self, reply: Reply) -> Payout:
        return self._payout(msgspec.json.decode(reply.body, type=Full))


WRONG: list[tuple[type[Provider], str]] = [
    (BelievesUnknownWords, "status is read as"),
    (KnowsNoOtherWords, "KeyError escaped"),
    (ShowsASecret, "a secret shows"),
    (RepeatsTheReply, "its message repeats a value"),
    (CountsInFloats, "amount is read as"),
    (ChokesOnErrors, "escaped"),
    (TakesHalfAReply, "escaped"),
]


@pytest.mark.parametrize(("plugin", "says"), WRONG, ids=lambda each: getattr(each, "__name__", ""))
def test_a_plugin_that_reads_wrongly_is_named(plugin: type[Provider], says: str) -> None:
    subject = replace(Subject.installed(plugin.name), plugin=plugin)
    (failure,) = run_fuzz(subject, SHARE, stop_at_first=True).failures
    assert says in failure.got


def test_a_reply_that_takes_too_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SLOWEST", 0.0)
    (failure,) = run_fuzz(Subject.installed("ledger"), 1).failures
    assert "it took 0.00 s" in failure.got


def test_one_reply_can_be_put_again() -> None:
    subject = replace(Subject.installed("ledger"), plugin=KnowsNoOtherWords)
    (first,) = run_fuzz(subject, SHARE, stop_at_first=True).failures
    assert run_fuzz(subject, SHARE, only=int(first.case.rpartition("/")[2])).failures == [first]


def test_the_same_seed_breaks_a_body_in_the_same_way() -> None:
    body = {"id": 1, "data": [{"token": "test", "note": "x"}]}
    twice = [[fuzzed(body, frozenset({"token"}), Random(seed)) for seed in range(200)] for _ in range(2)]  # noqa: S311
    assert twice[0] == twice[1]
    assert len({each.raw for each in twice[0]}) > 150


def test_a_guarded_body_keeps_its_secrets_where_they_stood() -> None:
    for seed in range(2_000):
        raw, guarded = fuzzed({"token": "test", "note": {"text": "x"}}, frozenset({"token"}), Random(seed))  # noqa: S311
        if guarded and SECRET.encode() in raw:
            assert raw.count(SECRET.encode()) == raw.count(b'"token": "' + SECRET.encode())
