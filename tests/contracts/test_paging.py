"""Where a list goes on, and where it ends."""

from __future__ import annotations

import pytest

from providers.sdk import ListQuery, Malformed
from tests.contracts.plugins import plugin, reply

NEXT = '<https://firstpromoter.com/api/v1/payouts/list?page=3>; rel="next"'


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
