"""Rate limits: the same claims on both implementations."""

from __future__ import annotations

import asyncio

import pytest

from gateway.coordination import Coordination, LocalCoordination, Policy, Rate, turn
from tests.coordination.conftest import Clock, Subject

pytestmark = pytest.mark.anyio


async def test_a_burst_goes_at_once_and_then_the_rate_holds(subject: Subject) -> None:
    taken = [await subject.coordination.take("bank") for _ in range(4)]
    assert taken[:3] == [0, 0, 0]
    assert 0 < taken[3] <= 0.2
    await subject.elapse(taken[3])
    assert await subject.coordination.take("bank") == 0
    assert await subject.coordination.take("bank") > 0


async def test_being_told_to_wait_takes_no_token(subject: Subject) -> None:
    for _ in range(3):
        await subject.coordination.take("bank")
    waits = [await subject.coordination.take("bank") for _ in range(20)]
    assert max(waits) <= 0.2


async def test_a_rest_gathers_no_more_than_the_burst(subject: Subject) -> None:
    await subject.coordination.take("bank")
    await subject.elapse(0.65)
    taken = [await subject.coordination.take("bank") for _ in range(4)]
    assert taken[:3] == [0, 0, 0]
    assert taken[3] > 0


async def test_connections_have_buckets_of_their_own(subject: Subject) -> None:
    for _ in range(4):
        await subject.coordination.take("bank")
    assert await subject.coordination.take("promo") == 0


async def test_retry_after_stops_a_connection_even_without_a_rate(subject: Subject) -> None:
    await subject.coordination.pause("promo", 0.15)
    waits = [0.0]
    while (wait := await subject.coordination.take("promo")) > 0:
        await subject.elapse(wait)
        waits.append(wait)
    assert 0 < max(waits) < 0.151


async def test_a_shorter_retry_after_never_shortens_a_longer_one(subject: Subject) -> None:
    await subject.coordination.pause("promo", 50)
    await subject.coordination.pause("promo", 1)
    assert await subject.coordination.take("promo") > 40


@pytest.mark.parametrize("seconds", [0, -5, float("nan"), float("-inf")])
async def test_a_retry_after_that_means_nothing_pauses_nothing(subject: Subject, seconds: float) -> None:
    await subject.coordination.pause("promo", seconds)
    assert await subject.coordination.take("promo") == 0


async def test_an_endless_retry_after_is_bounded(subject: Subject) -> None:
    await subject.coordination.pause("promo", float("inf"))
    assert 0 < await subject.coordination.take("promo") <= 24 * 3600


async def test_the_long_run_keeps_the_rate_to_the_token() -> None:
    clock = Clock()
    local = LocalCoordination(Policy(rates={"bank": Rate(per_minute=7, burst=5)}), clock=clock)
    sent = 0
    for _ in range(3600):
        sent += await local.take("bank") == 0
        clock.now += 1
    assert sent == 5 + 7 * 60 - 1


async def test_a_turn_is_waited_for(subject: Subject) -> None:
    if isinstance(subject.coordination, LocalCoordination):
        subject = Subject(LocalCoordination(Policy(rates={"bank": Rate(per_minute=300, burst=3)})), asyncio.sleep)
    waits = await asyncio.gather(*(turn(subject.coordination, "bank", within=1) for _ in range(4)))
    assert waits == [0, 0, 0, 0]


async def test_a_turn_that_is_too_far_is_not_waited_for(subject: Subject) -> None:
    await subject.coordination.pause("bank", 30)
    assert 29 < await turn(subject.coordination, "bank", within=0.01) <= 30


@pytest.mark.parametrize(("per_minute", "burst"), [(0, 1), (-1, 1), (float("inf"), 1), (float("nan"), 1), (60, 0)])
def test_a_rate_that_could_never_send_is_refused(per_minute: float, burst: int) -> None:
    with pytest.raises(ValueError, match="more than 0 calls a minute"):
        Rate(per_minute, burst)


async def test_an_adopted_policy_counts_from_then_on(coordination: Coordination) -> None:
    assert [await coordination.take("promo") for _ in range(5)] == [0.0] * 5
    coordination.adopt(Policy(rates={"promo": Rate(per_minute=1, burst=2)}))
    assert [await coordination.take("promo") for _ in range(2)] == [0.0] * 2
    assert await coordination.take("promo") > 50
