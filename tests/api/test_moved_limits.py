"""A fallback has limits of its own, and a move to it is held against them."""

from __future__ import annotations

import asyncio

import pytest

from tests.api.conftest import done, problem
from tests.api.limited import gbp
from tests.api.test_routes import NOWHERE, Banks, banks, create, sent_to, serving, verdicts

pytestmark = pytest.mark.anyio
__all__ = ["banks"]  # the fixture of the other tests of moves

BANK_LIMITS = {"limits": {"amounts": gbp(per_day=2046)}}  # two payouts of what `create` orders


async def test_a_move_counts_at_the_connection_that_takes_over(banks: Banks) -> None:
    async with serving(banks, first={"base_url": NOWHERE}, second=BANK_LIMITS) as stack:
        for number in (1, 2):
            done(await create(stack, number), 201)
        left = done(await create(stack, 3), 202, "accepted")
        assert left["operation"]["connection"] == "first"
        assert verdicts(left)["first"] == "taken"
        assert [attempt["sent"] for attempt in left["operation"]["attempts"]] == [False]
        assert await sent_to(stack, "second") == 2
        problem(await create(stack, 4, connection="second"), "limit_reached")


async def test_what_moved_away_is_free_where_it_was(banks: Banks) -> None:
    async with serving(banks, first=BANK_LIMITS | {"base_url": NOWHERE}) as stack:
        for number in (1, 2, 3):
            done(await create(stack, number), 201)
        assert await sent_to(stack, "second") == 3


async def test_moves_at_once_do_not_exceed_the_limit_of_the_fallback(banks: Banks) -> None:
    async with serving(banks, first={"base_url": NOWHERE}, second=BANK_LIMITS) as stack:
        answers = await asyncio.gather(*(create(stack, number) for number in range(16)))
        assert sorted(answer.status_code for answer in answers) == [201] * 2 + [202] * 14
        assert await sent_to(stack, "second") == 2
