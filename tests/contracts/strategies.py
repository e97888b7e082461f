"""What a caller may ask for: everything that the unified API lets through to a plugin."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from providers.sdk import ListQuery, Mark, Money, Order, PayeeAccount, PayoutSettings, PayoutStatus
from tests.contracts.oracle import oracle_of
from tests.contracts.plugins import plugin

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=[*map(chr, range(32)), "\x7f"]),
    min_size=1,
    max_size=255,
)
# Most descriptions are what a bank scheme can carry, or near it.
CARRIED = st.text("AaBb019 -.&/", max_size=11).map("INV2026".__add__)
DESCRIPTION = st.one_of(CARRIED, CARRIED, st.text("AaBb019 -.&/", min_size=4, max_size=150), TEXT)
CURRENCY = st.sampled_from(["GBP", "EUR", "USD", "JPY", "KWD", "CLF"])
ACCOUNTS = st.sampled_from(
    [
        {"iban": "DE89370400440532013000"},
        {"iban": "GB29NWBK60161331926819", "bic": "TESTGB2L"},
        {"account_number": "31926819", "sort_code": "601613"},
        {"account_number": "A" * 34, "sort_code": "000000", "bic": "TESTDEFFXXX"},
        {"iban": "DE89370400440532013000", "account_number": "31926819", "sort_code": "601613"},
        {"account_number": "31926819"},
        {"sort_code": "601613"},
        {},
    ]
)


def ids(provider: str) -> st.SearchStrategy[str]:
    return st.from_regex(re.compile(oracle_of(provider).raw["ids"]["payout"], re.ASCII), fullmatch=True)


MARKS = st.builds(Mark, reference=st.none() | TEXT, notes=st.none() | TEXT, reason=st.none() | TEXT)
AMOUNTS = st.builds(Money, CURRENCY, st.integers(1, 10**15))
PAYEES = st.builds(
    lambda name, accounts, verification: PayeeAccount(name=name, verification_id=verification, **accounts),
    TEXT,
    ACCOUNTS,
    st.none() | TEXT,
)
SETTINGS = st.builds(
    PayoutSettings,
    frequency=st.just("monthly") | TEXT,
    day=st.integers(-1, 40),
    minimum=st.builds(Money, st.just("USD") | CURRENCY, st.integers(0, 10**15)),
    allow_early_requests=st.booleans(),
    auto_create=st.booleans(),
)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    reference = plugin("tokenio").reference(draw(TEXT), draw(TEXT))
    return Order(reference=reference, amount=draw(AMOUNTS), payee=draw(PAYEES), description=draw(DESCRIPTION))


@st.composite
def queries(draw: st.DrawFn) -> ListQuery:
    return ListQuery(
        statuses=draw(st.frozensets(st.sampled_from(PayoutStatus), max_size=3)),
        created_from=draw(st.none() | st.dates()),
        created_to=draw(st.none() | st.dates()),
        reference=draw(st.none() | TEXT),
        limit=draw(st.integers(1, 500)),
        cursor=draw(st.none() | st.integers(1, 10**18 - 1).map(str) | TEXT),
    )


def arguments(provider: str, capability: str) -> st.SearchStrategy[tuple[Any, ...]]:
    """The arguments of one capability."""
    id = ids(provider)
    known: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
        "create": st.tuples(orders()),
        "find": st.tuples(orders()),
        "get": st.tuples(id),
        "statement": st.tuples(id),
        "list_payouts": st.tuples(queries()),
        "list_requests": st.tuples(queries()),
        "stats": st.just(()),
        "export": st.just(()),
        "get_settings": st.just(()),
        "put_settings": st.tuples(SETTINGS),
        "bulk_process": st.tuples(st.lists(id, max_size=20), MARKS),
        "bulk_complete": st.tuples(st.lists(id, max_size=20), MARKS),
    }
    return known.get(capability, st.tuples(id, MARKS))
