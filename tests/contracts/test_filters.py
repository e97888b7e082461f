"""What a list passes on to the provider, and where it goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from providers.sdk import FieldRefused, ListQuery, Malformed, PayoutStatus
from tests.contracts import strategies
from tests.contracts.oracle import PROVIDERS, Oracle, oracle_of
from tests.contracts.plugins import documented, plugin, reply

NEXT = '<https://firstpromoter.com/api/v1/payouts/list?page=3>; rel="next"'


def place_of(provider: str, field: str) -> str | None:
    """The query parameter that carries a field of a list."""
    place: str | None = oracle_of(provider).operations["list_payouts"]["carries"].get(field)
    return place and place.removeprefix("query ")


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=40, deadline=None)
@given(query=strategies.queries())
def test_a_filter_of_the_provider_never_leaves_out_what_was_asked_for(provider: str, query: ListQuery) -> None:
    asked = plugin(provider).list_payouts(msgspec.structs.replace(query, cursor="7")).query
    words = {word for word, status in oracle_of(provider).raw["statuses"].items() if status in query.statuses}
    sent = {value for name, value in asked if name == place_of(provider, "status")}
    assert sent in (set(), words)
    assert not (sent and PayoutStatus.UNKNOWN in query.statuses)


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=40, deadline=None)
@given(query=strategies.queries())
def test_a_list_sends_what_the_oracle_carries_and_no_more(provider: str, query: ListQuery) -> None:
    carries = oracle_of(provider).operations["list_payouts"]["carries"]
    asked = plugin(provider).list_payouts(msgspec.structs.replace(query, cursor="7")).query
    assert {name for name, _ in asked} <= {place.removeprefix("query ") for place in carries.values()}
    for field in ("created_from", "created_to", "reference"):
        value = getattr(query, field)
        shown = [text for name, text in asked if name == place_of(provider, field)]
        assert shown == ([str(value)] if value is not None and field in carries else [])


def test_one_status_is_asked_for_by_the_providers_own_word(provider: str, oracle: Oracle) -> None:
    place = place_of(provider, "status")
    settable = _words(provider, place)
    assert (len(settable) > 0) == (place is not None)
    for word, status in oracle.raw["statuses"].items():
        query = plugin(provider).list_payouts(ListQuery(statuses=frozenset({PayoutStatus(status)}))).query
        assert [value for name, value in query if name == place] == ([word] if word in settable else [])


def _words(provider: str, place: str | None) -> list[str]:
    """The words that a list's status parameter takes."""
    document = documented(provider)
    parameters = document.operations["list_payouts"].parameters
    schema: Any = next((document.resolve(each.schema) for each in parameters if each.name == place), {})
    words: list[str] = document.resolve(schema.get("items", schema)).get("enum", [])
    return words


def test_a_limit_is_lowered_to_the_providers_bound() -> None:
    for provider, name, most in (("heldsway", "per_page", "100"), ("tokenio", "limit", "200")):
        for limit, sent in ((1, "1"), (50, "50"), (10_000, most)):
            assert (name, sent) in plugin(provider).list_payouts(ListQuery(limit=limit)).query


def test_a_cursor_is_sent_where_the_provider_wants_it() -> None:
    for provider, cursor, pair in (
        ("firstpromoter", "7", ("page", "7")),
        ("heldsway", "7", ("page", "7")),
        ("heldsway", None, ("page", "1")),
        ("tokenio", "LerV6Jmex", ("offset", "LerV6Jmex")),
    ):
        assert pair in plugin(provider).list_payouts(ListQuery(cursor=cursor)).query
    assert "page" not in dict(plugin("firstpromoter").list_payouts(ListQuery()).query)
    assert "offset" not in dict(plugin("tokenio").list_payouts(ListQuery()).query)


def test_a_cursor_that_is_no_page_number_is_refused() -> None:
    for cursor in ("", "0", "-1", "2&status=completed", "\u0662", "1e3", "2\n", " 2", "9" * 30):
        for provider in ("firstpromoter", "heldsway"):
            with pytest.raises(FieldRefused, match=r"^/cursor: "):
                plugin(provider).list_payouts(ListQuery(cursor=cursor))
        with pytest.raises(FieldRefused, match=r"^/cursor: "):
            plugin("heldsway").list_requests(ListQuery(cursor=cursor))


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (NEXT, "3"),
        (f'<https://h/?page=1>; rel="prev", {NEXT}, <https://h/?page=9>; rel="last"', "3"),
        ("<https://h/list?status=pending&page=12>; rel=next", "12"),
        ('<https://h/list?per_page=5>; rel="next"', None),
        ('<https://h/?page=9>; rel="last"', None),
        ('<https://h/?page=0>; rel="next"', None),
        ('<https://h/?page=-1>; rel="next"', None),
        ('<https://h/?page=x>; rel="next"', None),
        ("nonsense", None),
        ("", None),
        ("<?page=1" * 20_000, None),
        ("<" + "?page=1" * 14_000, None),
    ],
)
def test_firstpromoters_next_page_stands_in_the_link_header(link: str, expected: str | None) -> None:
    page = plugin("firstpromoter").list_payouts(ListQuery()).reads(reply([], link=link))
    assert page.next == expected


@pytest.mark.parametrize(
    ("current", "last", "expected"), [(1, 1, None), (1, 3, "2"), (3, 3, None), (9, 3, None), (1, 0, None), (2, 9, "3")]
)
def test_heldsways_pages_end_with_the_last(current: int, last: int, expected: str | None) -> None:
    meta = {"current_page": current, "per_page": 25, "total": 0, "last_page": last}
    body = {"data": {"items": [], "meta": meta}}
    for listed in (plugin("heldsway").list_payouts(ListQuery()), plugin("heldsway").list_requests(ListQuery())):
        assert listed.reads(reply(body)).next == expected


def test_a_page_before_the_first_is_malformed() -> None:
    for current in (0, -1):
        body = {"data": {"items": [], "meta": {"current_page": current, "last_page": 3}}}
        with pytest.raises(Malformed):
            plugin("heldsway").list_payouts(ListQuery()).reads(reply(body))


def test_tokenios_list_ends_with_a_short_page_or_without_an_offset() -> None:
    item = {
        "id": "po:Test1:Sim1",
        "status": "INITIATION_PENDING",
        "createdDateTime": "2026-04-15T10:43:07Z",
        "updatedDateTime": "2026-04-15T10:43:07Z",
    }
    listed = plugin("tokenio").list_payouts(ListQuery(limit=2))
    for count, paging, expected in (
        (2, {"offset": "LerV6Jmex"}, "LerV6Jmex"),
        (1, {"offset": "LerV6Jmex"}, None),
        (2, {"offset": ""}, None),
        (2, {}, None),
        (2, None, None),
        (0, {"offset": "LerV6Jmex"}, None),
    ):
        assert listed.reads(reply({"payouts": [item] * count, "paging": paging})).next == expected


def test_the_ledger_has_one_page() -> None:
    call = plugin("ledger").list_payouts(ListQuery(limit=1, reference="test-reference-1"))
    assert call.query == ()
    assert call.reads(reply({"data": []})).next is None
