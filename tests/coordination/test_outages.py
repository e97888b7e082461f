"""Redis dead, slow, empty, back: every call is answered soon, nothing is raised, and sharing resumes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from gateway.coordination import Kind, Look, Patience, Symptom
from gateway.coordination.commands import CONNECTIONS
from gateway.coordination.shared import RedisCoordination
from tests.coordination.conftest import IMPATIENT, POLICY, Gateways, command, until
from tests.servers import RedisServer

pytestmark = pytest.mark.anyio
SOON = 0.1  # what one call may take, whatever Redis does


@pytest.fixture
def gateways(impatient: Gateways) -> Gateways:
    return impatient


async def slowest(one: RedisCoordination) -> float:
    """Each call of the interface once; what the slowest took, less what a busy machine took from us all."""
    look = Look(None, 0)
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
    late = asyncio.create_task(_lateness())
    spent = [await timed(call) for call in calls]
    return max(spent) - await late


async def _lateness() -> float:
    """By how much this process overslept, at worst, while one command may have timed out."""
    worst = 0.0
    for _ in range(20):
        worst = max(worst, await timed(lambda: asyncio.sleep(0.005)) - 0.005)
    return worst


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
    gateways.patience = replace(IMPATIENT, timeout=Patience().timeout)
    one, other = await gateways.two()
    mend = harm(mistreated)
    for each in (one, other):
        assert await slowest(each) < SOON
        assert not each.health().shared
    mend()
    async with asyncio.timeout(5):
        while await other.take("sway") == 0:
            await until(lambda: one.health().shared and other.health().shared)
            await one.pause("sway", 30)


async def test_an_outage_costs_one_timeout_and_not_one_per_call(gateways: Gateways, mistreated: RedisServer) -> None:
    patience = gateways.patience
    one = await gateways.join()
    mistreated.pause()
    loop = asyncio.get_running_loop()
    began = loop.time()
    spent = [await timed(lambda: one.take("promo")) for _ in range(1000)]
    assert sum(each > patience.timeout / 2 for each in spent) == 1
    assert loop.time() - began < 1
    mistreated.go_on()


async def test_a_crowd_waits_out_one_timeout_together(gateways: Gateways, mistreated: RedisServer) -> None:
    one = await gateways.join(Patience(timeout=0.4))
    mistreated.pause()
    early = [asyncio.create_task(timed(lambda: one.take("promo"))) for _ in range(CONNECTIONS)]
    await asyncio.sleep(0.2)  # the next ones queue for the connections of the first
    late = [asyncio.create_task(timed(lambda: one.take("promo"))) for _ in range(100)]
    assert max(await asyncio.gather(*late)) < 0.35
    await asyncio.gather(*early)


async def test_a_dead_redis_is_tried_more_and_more_seldom(gateways: Gateways, mistreated: RedisServer) -> None:
    one = await gateways.join(Patience(first_pause=0.01, longest_pause=0.08))
    tries = {"link": 0, "listener": 0}

    def counted(name: str, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def count() -> None:
            tries[name] += 1
            await work()

        return count

    one._link._connect = counted("link", one._link._connect)
    one._listener._listen = counted("listener", one._listener._listen)  # type: ignore[method-assign, assignment]
    mistreated.kill()
    await one.take("promo")
    await asyncio.sleep(0.6)
    assert 3 <= tries["link"] <= 12  # at an even 0.01 seconds it would be 60
    assert 3 <= tries["listener"] <= 12


async def test_a_redis_that_is_away_keeps_nobody_from_starting(mistreated: RedisServer, gateways: Gateways) -> None:
    mistreated.kill()
    one = await gateways.join()
    assert str(one.health()) == "local: Redis cannot be reached"
    assert await slowest(one) < SOON
    mistreated.start()
    await until(lambda: one.health().shared)


async def test_a_slow_redis_is_no_use_and_is_not_taken_for_one(mistreated: RedisServer, gateways: Gateways) -> None:
    mistreated.pause()
    one = await gateways.join(Patience(connect=0.05))
    assert str(one.health()) == "local: Redis does not answer in time"
    mistreated.go_on()


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
    await asyncio.sleep(IMPATIENT.heartbeat * 6)
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
    before = asyncio.all_tasks()
    one = RedisCoordination(mistreated.url, POLICY)
    await one.start()
    mistreated.pause()
    await one.take("bank")
    assert await timed(one.close) < 1
    await until(lambda: asyncio.all_tasks() == before)
    assert await slowest(one) < SOON
    mistreated.go_on()
