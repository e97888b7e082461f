"""Redis dead, slow, empty, back: every call is answered soon, nothing is raised, and sharing resumes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.coordination import Kind, Patience, Policy, Rate, RedisCoordination, Symptom, Verdict
from tests.coordination.conftest import PATIENCE, POLICY, Gateways, command, until
from tests.servers import RedisServer

pytestmark = pytest.mark.anyio
SOON = 0.1  # what one call may take, whatever Redis does


async def every_call(one: RedisCoordination) -> list[float]:
    """Each call of the interface once; how long each took."""
    look = await one.get("bank", "key")
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: one.take("bank"),
        lambda: one.pause("promo", 0.01),
        lambda: one.admit("bank", Kind.READ),
        lambda: one.record("bank", Kind.READ, Symptom.OK),
        lambda: one.circuit("bank", Kind.READ),
        lambda: one.get("bank", "key"),
        lambda: one.put("bank", "key", b"value", look),
        lambda: one.drop("bank"),
        lambda: one.wake("due", "op_1"),
    ]
    return [await timed(call) for call in calls]


async def timed(call: Callable[[], Awaitable[object]]) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await call()
    return loop.time() - began


def harm_by_kill(server: RedisServer) -> Callable[[], None]:
    server.kill()
    return server.start


def harm_by_stop(server: RedisServer) -> Callable[[], None]:
    server.pause()
    return server.go_on


HARMS = [harm_by_kill, harm_by_stop]


@pytest.mark.parametrize("harm", HARMS)
async def test_every_call_is_answered_soon_and_sharing_resumes(
    gateways: Gateways, mistreated: RedisServer, harm: Callable[[RedisServer], Callable[[], None]]
) -> None:
    one, other = await gateways.two()
    mend = harm(mistreated)
    for each in (one, other):
        assert max(await every_call(each)) < SOON
        assert not each.health().shared
    mend()
    await until(lambda: one.health().shared and other.health().shared)
    await one.pause("sway", 30)
    assert await other.take("sway") > 29


async def test_an_outage_costs_one_timeout_and_not_one_per_call(gateways: Gateways, mistreated: RedisServer) -> None:
    patience = Patience(first_pause=0.02)
    one = await gateways.join(patience)
    mistreated.pause()
    loop = asyncio.get_running_loop()
    began = loop.time()
    spent = [await timed(lambda: one.take("promo")) for _ in range(1000)]
    assert sum(each > patience.timeout / 2 for each in spent) == 1
    assert loop.time() - began < 0.5
    mistreated.go_on()


async def test_calls_at_the_same_time_wait_out_one_timeout_together(
    gateways: Gateways, mistreated: RedisServer
) -> None:
    one = await gateways.join()
    mistreated.pause()
    spent = await asyncio.gather(*(timed(lambda: one.take("promo")) for _ in range(100)))
    assert max(spent) < SOON + 0.05
    mistreated.go_on()


async def test_redis_is_left_alone_for_longer_and_longer(mistreated: RedisServer, gateways: Gateways) -> None:
    one = await gateways.join(Patience(timeout=0.01, connect=0.01, first_pause=0.01, longest_pause=0.08))
    tries = 0
    connect = one._link._connect

    async def counted() -> None:
        nonlocal tries
        tries += 1
        await connect()

    one._link._connect = counted
    mistreated.pause()
    await one.take("promo")
    await asyncio.sleep(0.6)
    assert 3 <= tries <= 10  # at an even 0.01 + 0.01 seconds it would be 30
    mistreated.go_on()


async def test_a_redis_that_is_away_keeps_nobody_from_starting(mistreated: RedisServer, gateways: Gateways) -> None:
    mistreated.kill()
    one = await gateways.join()
    assert str(one.health()) == "local: Redis cannot be reached"
    assert max(await every_call(one)) < SOON
    mistreated.start()
    await until(lambda: one.health().shared)


async def test_a_slow_redis_is_no_use_and_is_not_taken_for_one(mistreated: RedisServer, gateways: Gateways) -> None:
    mistreated.pause()
    one = await gateways.join(Patience(connect=0.05))
    assert str(one.health()) == "local: Redis does not answer in time"
    mistreated.go_on()


async def test_a_flushed_redis_costs_precision_and_nothing_else(gateways: Gateways, mistreated: RedisServer) -> None:
    gateways.policy = Policy(rates={"bank": Rate(per_minute=0.6, burst=2)})
    one, other = await gateways.two()
    look = await one.get("bank", "key")
    taken = [await each.take("bank") for each in (one, other, one)]
    assert taken[2] > 0
    command(mistreated, "FLUSHALL")
    command(mistreated, "SCRIPT", "FLUSH")
    assert await one.take("bank") == 0
    assert one.health().shared
    assert max(await every_call(one)) < SOON
    await other.put("bank", "key", b"outdated", look)  # read before the flush and before a drop
    assert (await one.get("bank", "key")).value is None


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
    mistreated.pause()
    await one.put("bank", "key", b"old by then", look)
    await asyncio.sleep(POLICY.cache.ttl)
    mistreated.go_on()
    await until(lambda: other.health().shared)
    assert (await other.get("bank", "key")).value is None


@pytest.mark.parametrize("harm", HARMS)
async def test_wake_ups_resume_after_an_outage(
    gateways: Gateways, mistreated: RedisServer, harm: Callable[[RedisServer], Callable[[], None]]
) -> None:
    one, other = await gateways.two()
    mend = harm(mistreated)
    with one.subscribe("due") as own, other.subscribe("due") as wakeups:
        await one.wake("due", "op_1")
        assert await own.next(within=1) == "op_1"  # one's own are never lost
        mend()
        async with asyncio.timeout(5):
            while await wakeups.next(within=0.05) != "op_2":
                await one.wake("due", "op_2")


async def test_a_silent_line_is_given_up_for_another(gateways: Gateways, mistreated: RedisServer) -> None:
    """The old line may be dead for ever without anybody saying so: three heartbeats of silence are enough."""
    one, other = await gateways.two()
    before = _lines(mistreated)
    mistreated.pause()
    await asyncio.sleep(PATIENCE.heartbeat * 6)
    mistreated.go_on()
    with other.subscribe("due") as wakeups:
        async with asyncio.timeout(5):
            while await wakeups.next(within=0.05) != "op_2":
                await one.wake("due", "op_2")
    await until(lambda: one.gateways == other.gateways == 2)
    assert len(before) == len(_lines(mistreated)) == 2
    assert not before & _lines(mistreated)


def _lines(server: RedisServer) -> set[str]:
    """The listeners' connections, as Redis names them."""
    listed = command(server, "CLIENT LIST", "TYPE", "pubsub")
    return {str(line["id"]) for line in listed}


async def test_an_error_answer_is_an_outage_too(gateways: Gateways, mistreated: RedisServer) -> None:
    one = await gateways.join()
    command(mistreated, "SET", "payout-gateway:0:{bank}:bucket", "junk")
    assert await one.take("bank") == 0
    assert str(one.health()) == "local: Redis fails (ResponseError)"


async def test_a_wrong_password_is_named_and_not_shown(gateways: Gateways, mistreated: RedisServer) -> None:
    command(mistreated, "CONFIG", "SET", "requirepass", "test-right-password")
    gateways.url = f"redis://:test-wrong-password@127.0.0.1:{mistreated.port}"
    one = await gateways.join()
    assert str(one.health()) == "local: Redis refuses our credentials"
    assert "password" not in repr(one)
    assert await one.take("bank") == 0


async def test_closing_during_an_outage_is_quick_and_calls_are_answered_still(mistreated: RedisServer) -> None:
    one = RedisCoordination(mistreated.url, POLICY)
    await one.start()
    mistreated.pause()
    await one.take("bank")
    assert await timed(one.close) < 1
    assert max(await every_call(one)) < SOON
    mistreated.go_on()
