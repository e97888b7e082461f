"""PostgreSQL and Redis gone under load: nothing is paid twice or lost, and callers are told the truth."""

from __future__ import annotations

import asyncio

import pytest

from tests.battery.outages import REDIS_HARMS, run_postgres, run_redis
from tests.battery.result import Result, silent
from tests.conftest import Stack, order

SEED = 20261120


def shown(result: Result) -> Result:
    """Prints what a failure needs: the seed and what happened."""
    print(f"seed {SEED}: {result}")
    return result


def test_postgresql_killed_under_load_loses_nothing_and_pays_nothing_twice() -> None:
    result = shown(run_postgres(2, SEED, silent))
    assert result.violations == []
    assert result.happened["answered 503"] > 0
    assert result.happened["ended succeeded"] > 0


def test_redis_killed_flushed_stopped_and_away_under_load_is_hardly_noticed() -> None:
    result = shown(run_redis(len(REDIS_HARMS), SEED, silent, away=3.0))
    assert result.violations == []
    assert result.happened["per 10,000 answered 2xx in time"] >= 9_900
    assert [result.happened[f"redis {harm}"] for harm in REDIS_HARMS] == [1, 1, 1, 1]


@pytest.mark.anyio
async def test_what_was_sent_is_never_answered_with_nothing_was_sent(stack: Stack) -> None:
    """The journal is lost between the send and its recording: accepted, and where to follow it."""
    await stack.fault("bank", "delay", "create_payout", seconds=0.3, when="after")
    answer = asyncio.ensure_future(stack.write("POST", "/v1/payouts", order()))
    async with asyncio.timeout(5):
        while not await stack.executed("bank", "create_payout"):
            await asyncio.sleep(0.01)
    await stack.gateway.store.close()
    answered = await answer
    assert answered.status_code == 202, answered.text
    operation = answered.json()["operation"]
    assert answered.headers["location"] == f"/v1/operations/{operation['id']}"
    assert operation["state"] == "sending"
