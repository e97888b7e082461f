"""64 callers at once against one limit: never a penny over it, and never less than what fits."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.coordination import Patience
from gateway.coordination.local import LocalCoordination
from gateway.coordination.shared import RedisCoordination
from gateway.engine.service import policy_of
from tests.api.limited import OTHER, Change, approvals, gbp, limited, of_connection, of_key, paid, pay
from tests.conftest import Stack
from tests.servers import shared_postgres, shared_redis

pytestmark = pytest.mark.anyio

CALLERS = 64


def both(raw: dict[str, Any]) -> None:
    of_connection("bank", concurrency=1000, amounts=gbp(per_day=4000))(raw)
    of_key("everything", amounts=gbp(per_day=3000))(raw)


LIMITS = {
    "connection": of_connection("bank", amounts=gbp(per_day=3000)),
    "key": of_key("everything", amounts=gbp(per_day=3000)),
    "payee": of_connection("bank", amounts=gbp(per_payee_day=3000)),
    "both": both,
}


@pytest.fixture(params=["sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest) -> tuple[str | None, int]:
    """A journal, and how many gateways share it."""
    return (None, 1) if request.param == "sqlite" else (shared_postgres().new_database(), 3)


async def crowd(stacks: list[Stack], amounts: list[int]) -> list[int]:
    """What each caller's payout is answered with, all sent at once and shared out over the gateways."""
    for stack in stacks:  # how many may be sent a second is not what is tested
        for connection in stack.gateway.connections.values():
            connection.coordination = LocalCoordination()
    calls = (pay(stacks[number % len(stacks)], number, amount) for number, amount in enumerate(amounts))
    return [answer.status_code for answer in await asyncio.gather(*calls)]


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
async def test_equal_payouts_use_a_limit_up_and_do_not_exceed_it(
    tmp_path: Path, journal: tuple[str | None, int], limit: Change
) -> None:
    url, gateways = journal
    async with limited(tmp_path, limit, journal=url, gateways=gateways) as stacks:
        answers = await crowd(stacks, [100] * CALLERS)
        assert (answers.count(201), answers.count(429)) == (30, CALLERS - 30)
        assert await paid(stacks[0]) == 3000


async def test_payouts_of_all_sizes_leave_less_than_the_smallest_that_was_refused(
    tmp_path: Path, journal: tuple[str | None, int]
) -> None:
    url, gateways = journal
    amounts = [random.Random(number).randint(1, 300) for number in range(CALLERS)]  # noqa: S311
    async with limited(tmp_path, LIMITS["connection"], journal=url, gateways=gateways) as stacks:
        answers = await crowd(stacks, amounts)
        refused = [amount for amount, status in zip(amounts, answers, strict=True) if status == 429]
        total = await paid(stacks[0])
        assert sorted(set(answers)) == [201, 429]
        assert total == sum(amounts) - sum(refused) <= 3000
        assert min(refused) > 3000 - total


async def test_one_key_sent_by_everyone_is_counted_once(tmp_path: Path, journal: tuple[str | None, int]) -> None:
    url, gateways = journal
    async with limited(
        tmp_path, of_connection("bank", amounts=gbp(per_day=1000)), journal=url, gateways=gateways
    ) as stacks:
        calls = (pay(stacks[number % gateways], 1, 600) for number in range(CALLERS))
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {201}
        assert (await pay(stacks[0], 2, 400)).status_code == 201
        assert (await pay(stacks[0], 3, 1)).status_code == 429
        assert await paid(stacks[0]) == 1000


async def test_no_more_writes_are_under_way_than_allowed(tmp_path: Path, journal: tuple[str | None, int]) -> None:
    url, gateways = journal
    async with limited(tmp_path, of_connection("bank", concurrency=5), journal=url, gateways=gateways) as stacks:
        for stack in stacks:  # nobody answers, so that what was accepted stays under way
            stack.gateway.connections["bank"].upstream.base_url = "http://127.0.0.1:1"
        answers = await crowd(stacks, [1] * CALLERS)
        assert (answers.count(202), answers.count(429)) == (5, CALLERS - 5)


async def test_approvals_that_come_at_once_send_once(tmp_path: Path, journal: tuple[str | None, int]) -> None:
    """Whoever comes second to a decision is told so, and decides again."""
    url, gateways = journal
    policy = {"name": "all", "approvers": 2, "when": {"tenant": ["default"]}}
    async with limited(tmp_path, approvals(policy), journal=url, gateways=gateways) as stacks:

        async def approved(stack: Stack, operation: dict[str, Any], headers: dict[str, str]) -> None:
            path, body = (
                f"/v1/operations/{operation['id']}/approve",
                {"fingerprint": operation["approval"]["fingerprint"]},
            )
            async with asyncio.timeout(20):
                while (await stack.call.post(path, json=body, headers=headers)).status_code == 409:
                    pass

        replies = await asyncio.gather(*(pay(stacks[0], number, 100) for number in range(8)))
        operations = [reply.json()["operation"] for reply in replies]
        keys = (OTHER, {"Authorization": "Bearer test-payouts:approve"})
        await asyncio.gather(
            *(approved(stacks[place % gateways], each, key) for each in operations for place, key in enumerate(keys))
        )
        assert [(await pay(stacks[0], number, 100)).status_code for number in range(8)] == [201] * 8
        assert await paid(stacks[0]) == 800


@contextlib.asynccontextmanager
async def patient(stacks: list[Stack]) -> AsyncIterator[None]:
    """A busy machine must not look like a Redis that is away: each gateway would then take its own part."""
    async with contextlib.AsyncExitStack() as opened:
        for stack in stacks:
            policy = policy_of(stack.gateway.config)
            shared = RedisCoordination(shared_redis().url, policy, Patience(timeout=20, connect=20))
            opened.push_async_callback(shared.close)
            await shared.start()
            stack.gateway.writer.limiter.coordination = shared
        yield


async def test_gateways_that_share_a_redis_share_a_rate(tmp_path: Path) -> None:
    def shared(raw: dict[str, Any]) -> None:
        raw["redis"] = {"url": shared_redis().url}

    shared_redis().flush()
    rate, url = of_key("everything", rate={"per_minute": 0.01, "burst": 5}), shared_postgres().new_database()
    async with limited(tmp_path, rate, shared, journal=url, gateways=3) as stacks, patient(stacks):
        answers = await crowd(stacks, [1] * CALLERS)
        assert (answers.count(201), answers.count(429)) == (5, CALLERS - 5)
