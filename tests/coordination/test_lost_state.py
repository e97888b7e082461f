"""What an outage does to what is shared: precision and speed are lost, promises are not."""

from __future__ import annotations

import asyncio

import pytest

from gateway.coordination import Kind, Policy, Rate, Symptom, Verdict
from tests.coordination.conftest import POLICY, Gateways, command, until
from tests.servers import RedisServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def gateways(impatient: Gateways) -> Gateways:
    return impatient


async def test_a_flushed_redis_costs_precision_and_nothing_else(gateways: Gateways, mistreated: RedisServer) -> None:
    gateways.policy = Policy(rates={"bank": Rate(per_minute=0.6, burst=2)})
    one, other = await gateways.two()
    taken = [await each.take("bank") for each in (one, other, one)]
    assert taken[2] > 0
    command(mistreated, "FLUSHALL")
    command(mistreated, "SCRIPT", "FLUSH")
    assert await one.take("bank") == 0
    assert one.health().shared


@pytest.mark.parametrize("first", ["get", "drop"])
async def test_a_flush_does_not_bring_an_old_generation_back(
    gateways: Gateways, mistreated: RedisServer, first: str
) -> None:
    """Whichever call comes first to an empty Redis makes a generation that there never was."""
    one, other = await gateways.two()
    looks = []
    for _ in range(2):
        command(mistreated, "FLUSHALL")
        if first == "drop":
            await one.drop("bank")
        looks.append(await other.get("bank", "key"))
    await one.put("bank", "key", b"outdated", looks[0])
    assert (await other.get("bank", "key")).value is None


async def test_limits_hold_within_the_process_during_an_outage(gateways: Gateways, mistreated: RedisServer) -> None:
    gateways.policy = Policy(rates={"bank": Rate(per_minute=0.6, burst=10)})
    one, other = await gateways.two()
    mistreated.kill()
    taken = [[await each.take("bank") for _ in range(10)].count(0) for each in (one, other)]
    assert taken == [5, 5]  # two gateways: half of the rate and burst each


async def test_an_outage_gives_no_fresh_burst(gateways: Gateways, mistreated: RedisServer) -> None:
    gateways.policy = Policy(rates={"bank": Rate(per_minute=0.6, burst=3)})
    one = await gateways.join()
    assert [await one.take("bank") for _ in range(3)] == [0, 0, 0]
    mistreated.kill()
    assert await one.take("bank") > 0


async def test_retry_after_outlives_redis(gateways: Gateways, mistreated: RedisServer) -> None:
    one, other = await gateways.two()
    await one.pause("promo", 30)
    await other.take("promo")
    mistreated.kill()
    assert await one.take("promo") > 29
    assert await other.take("promo") > 29


async def test_the_circuit_works_within_the_process_during_an_outage(
    gateways: Gateways, mistreated: RedisServer
) -> None:
    one = await gateways.join()
    mistreated.kill()
    for _ in range(POLICY.circuit.unreachable):
        await one.record("bank", Kind.WRITE, Symptom.UNREACHABLE)
    assert (await one.admit("bank", Kind.WRITE)).verdict is Verdict.STOP


async def test_a_drop_that_redis_missed_is_made_up_for_before_it_is_believed_again(
    gateways: Gateways, mistreated: RedisServer
) -> None:
    gateways.policy = Policy()  # entries live for 2 seconds: longer than this test
    one, other = await gateways.two()
    await one.put("bank", "key", b"before the write", await one.get("bank", "key"))
    mistreated.pause()
    await one.take("bank")
    await one.drop("bank")
    assert (await one.get("bank", "key")).value is None
    mistreated.go_on()
    await until(lambda: one.health().shared)
    assert (await other.get("bank", "key")).value is None
    await one.put("bank", "key", b"after", await one.get("bank", "key"))
    assert (await other.get("bank", "key")).value == b"after"


async def test_a_drop_whose_caller_hangs_up_is_made_up_for(gateways: Gateways, mistreated: RedisServer) -> None:
    gateways.policy = Policy()
    one, other = await gateways.two()
    await one.put("bank", "key", b"before the write", await one.get("bank", "key"))
    mistreated.pause()
    dropping = asyncio.create_task(one.drop("bank"))
    await asyncio.sleep(0.005)
    dropping.cancel()
    mistreated.go_on()
    assert (await one.get("bank", "key")).value is None
    await until(lambda: not one._owed)
    assert (await other.get("bank", "key")).value is None


async def test_nothing_is_cached_while_drops_cannot_reach_the_others(
    gateways: Gateways, mistreated: RedisServer
) -> None:
    one = await gateways.join()
    mistreated.kill()
    await one.take("bank")
    await one.put("bank", "key", b"value", await one.get("bank", "key"))
    assert (await one.get("bank", "key")).value is None


async def test_a_put_that_lay_in_a_stopped_servers_queue_stores_nothing(
    gateways: Gateways, mistreated: RedisServer
) -> None:
    one, other = await gateways.two()
    look = await one.get("bank", "key")
    await one.put("bank", "other", b"loads the script", look)
    mistreated.pause()
    await one.put("bank", "key", b"old by then", look)
    await asyncio.sleep(POLICY.cache.ttl)
    mistreated.go_on()
    await until(lambda: other.health().shared)
    assert (await other.get("bank", "key")).value is None
