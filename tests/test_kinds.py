"""Reachability and differences are worked out, not tried; here they are held against trying every kind of call."""

from __future__ import annotations

import random
from itertools import product

import msgspec
import pytest

from gateway.config import AmountRange, Ask, Route, When, mismatch
from gateway.config.kinds import Asks, Tables, kinds_of_creates, some_call, told_apart


def some(rng: random.Random, words: str, chance: float) -> tuple[str, ...] | None:
    return tuple(rng.sample(words.split(), rng.randint(1, 2))) if rng.random() < chance else None


def some_routes(seed: int) -> list[Route]:
    rng = random.Random(seed)  # noqa: S311

    def amount() -> AmountRange:
        least = rng.randint(0, 3)
        return AmountRange(rng.choice(["GBP", "EUR"]), least, rng.choice([None, least + rng.randint(1, 2)]))

    def when() -> When:
        return When(
            currency=some(rng, "GBP EUR SEK", 0.4),
            amount=amount() if rng.random() < 0.5 else None,
            country=some(rng, "DE GB FR", 0.4),
            account=("iban",) if rng.random() < 0.3 else None,
            tenant=some(rng, "acme other", 0.4),
            tags=some(rng, "urgent spare", 0.4),
        )

    return [Route(f"route-{number}", ("a",), when=when()) for number in range(rng.randint(1, 7))]


def every_call(routes: list[Route]) -> list[Ask]:
    found = [Ask(operation="create")]
    for _, kinds in kinds_of_creates(routes):
        found = [msgspec.structs.replace(ask, **kind.fields[0]) for ask, kind in product(found, kinds)]
    return found


@pytest.mark.parametrize("seed", range(100))
def test_a_route_is_reached_where_some_call_reaches_it(seed: int) -> None:
    routes = some_routes(seed)
    calls = every_call(routes)
    for place, route in enumerate(routes):
        above = routes[:place]
        reached = any(
            mismatch(route.when, call) is None and all(mismatch(each.when, call) for each in above) for call in calls
        )
        assert some_call([route], above, kinds_of_creates(routes)) is reached


@pytest.mark.parametrize("seed", range(20))
def test_calls_that_are_told_apart_have_the_outcomes_that_calls_have(seed: int) -> None:
    routes = some_routes(seed)

    def first(tables: Tables, asks: Asks) -> str | None:
        return next((route.name for route in tables[0]), None)

    found = told_apart([routes], (Ask(operation="create"),), kinds_of_creates(routes), first)
    tried = (
        next((route.name for route in routes if mismatch(route.when, call) is None), None)
        for call in every_call(routes)
    )
    assert {outcome for _, outcome in found} == set(tried)
