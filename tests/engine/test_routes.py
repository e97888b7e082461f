"""Which connection a call goes to, by the config alone."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.config import AmountRange, Config, Connection, Route, Target, When, mismatch
from gateway.config.matching import Ask
from gateway.engine.intent import Charge, CreateBody
from gateway.engine.routes import ask_of, by_weight, country_of, place
from gateway.engine.routing import WAYS_MOST, Router
from gateway.keys import Caller
from gateway.operation import Candidate, Routing
from providers.sdk import Money, PayeeAccount

PAYROLL = Caller("payroll", "default", frozenset({"payouts:write"}), tags=frozenset({"urgent"}))
BANK = Connection(provider="tokenio", base_url="https://bank.example.test", credentials={})
GERMAN = Ask(operation="create", amount=Money("EUR", 500), country="DE", account="iban", payee="DE89")


def config_of(*routes: Route, **connections: Connection) -> Config:
    return Config(connections=connections or {"a": BANK, "b": BANK, "c": BANK}, routes=routes)


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        (When(), True),
        (When(operation=("create",)), True),
        (When(operation=("stats",)), False),
        (When(currency=("GBP", "EUR")), True),
        (When(currency=("GBP",)), False),
        (When(amount=AmountRange("EUR", 500, 500)), True),
        (When(amount=AmountRange("EUR", 501)), False),
        (When(amount=AmountRange("EUR", 0, 499)), False),
        (When(amount=AmountRange("GBP", 0)), False),
        (When(country=("DE",)), True),
        (When(country=("FR",)), False),
        (When(account=("iban",)), True),
        (When(account=("account_number",)), False),
        (When(tenant=("default",)), True),
        (When(tenant=("other",)), False),
        (When(tags=("urgent",)), False),
    ],
)
def test_a_condition_matches_what_it_names(when: When, matches: bool) -> None:
    assert (mismatch(when, GERMAN) is None) is matches


def test_what_a_list_has_not_got_no_condition_matches() -> None:
    listed = ask_of(PAYROLL, "list_payouts")
    for when in (
        When(currency=("EUR",)),
        When(amount=AmountRange("EUR")),
        When(country=("DE",)),
        When(account=("iban",)),
    ):
        assert mismatch(when, listed)
    assert mismatch(When(tags=("urgent", "spare")), listed) is None


def test_a_payee_s_country_is_his_account_s() -> None:
    assert country_of(PayeeAccount(name="Test", iban="DE89370400440532013000")) == "DE"
    assert country_of(PayeeAccount(name="Test", account_number="31926819", sort_code="601613")) == "GB"
    assert country_of(PayeeAccount(name="Test", account_number="31926819")) is None


def test_weights_share_payees_out_as_they_say() -> None:
    taken = Counter(by_weight({"a": 3, "b": 1}, f"payee {number}") for number in range(10_000))
    assert 7300 < taken["a"] < 7700


def test_a_payee_stays_whatever_the_order_in_the_file_and_few_move_when_weights_change() -> None:
    payees = [f"payee {number}" for number in range(1000)]
    before = [by_weight({"a": 3, "b": 1}, payee) for payee in payees]
    assert before == [by_weight({"b": 1, "a": 3}, payee) for payee in payees]
    after = [by_weight({"a": 2, "b": 1}, payee) for payee in payees]
    moved = sum(old != new for old, new in zip(before, after, strict=True))
    assert 0 < moved < 150


def test_a_closed_target_s_payees_go_to_the_fallback_and_nobody_else_s_move() -> None:
    route = Route("r", (Target("a", 1), Target("b", 1)), fallback=("c",))
    open_, closed = config_of(route), config_of(route, a=BANK, b=_draining(), c=BANK)
    for number in range(50):
        ask = Ask(operation="create", payee=f"payee {number}")
        before, after = place(open_, PAYROLL, ask).taken, place(closed, PAYROLL, ask).taken
        assert after == ("c" if before == "b" else before)


def test_a_router_sends_each_call_where_the_config_does_however_often_it_is_asked() -> None:
    euros = Connection(provider="tokenio", base_url="https://euros.example.test", credentials={}, currency="EUR")
    route = Route("r", (Target("euros", 1), Target("a", 1)), fallback=("b",))
    config = config_of(route, euros=euros, a=BANK, b=BANK)
    router = Router(config, {})
    for caller in (PAYROLL, Caller("bound", "default", frozenset(), frozenset({"a", "euros"}))) * 2:
        for number in range(20):
            for currency in ("EUR", "GBP"):
                body = _body(currency, f"{number:08}")
                assert router.create(caller, body) == place(config, caller, ask_of(caller, "create", body))


def test_what_a_router_keeps_is_bounded_whatever_callers_ask_for() -> None:
    router = Router(config_of(Route("r", ("a",))), {})
    for number in range(2 * WAYS_MOST):
        router.create(PAYROLL, _body(f"X{number}"))
    assert 0 < len(router._known) <= WAYS_MOST


def _body(currency: str, account: str = "31926819") -> CreateBody:
    payee = PayeeAccount(name="Test", account_number=account, sort_code="601613")
    return CreateBody(reference="r", amount=Charge(currency, 500), payee=payee, description="Test")


def _draining() -> Connection:
    return Connection(provider="tokenio", base_url="https://b.example.test", credentials={}, state="draining")


def test_a_target_that_is_a_fallback_too_stands_in_as_one() -> None:
    routing = place(config_of(Route("r", ("a", "b"), fallback=("b",))), PAYROLL, GERMAN)
    assert [(item.connection, item.verdict, item.why) for item in routing.candidates] == [
        ("a", "taken", "first in order"),
        ("b", "reserve", "fallback"),
    ]


def test_a_key_sees_only_candidates_that_it_may_use() -> None:
    bound = Caller("bound", "default", frozenset(), frozenset({"b"}))
    routing = place(config_of(Route("r", ("a", "b"), fallback=("c",))), bound, GERMAN)
    assert [item.connection for item in routing.candidates] == ["b"]


def test_a_fallback_does_not_stand_in_for_a_target_that_could_never_take_the_call() -> None:
    sway = Connection(provider="heldsway", base_url="https://sway.example.test", credentials={}, currency="USD")
    routing = place(config_of(Route("r", ("sway",), fallback=("a",)), sway=sway, a=BANK), PAYROLL, GERMAN)
    assert routing.taken is None
    assert [(item.connection, item.verdict) for item in routing.candidates] == [("sway", "dropped")]


def test_dropping_the_taken_one_takes_the_next_in_reserve() -> None:
    routing = Routing(candidates=tuple(Candidate(name, "taken" if name == "a" else "reserve", "") for name in "abc"))
    assert routing.dropped("b", "away").taken == "a"
    assert routing.dropped("b", "away").dropped("a", "away").taken == "c"
    assert routing.dropped("a", "x").dropped("b", "x").dropped("c", "x").taken is None
