"""What two gateways know of each other through one Redis."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from gateway.coordination import (
    CircuitState,
    Kind,
    Patience,
    Policy,
    Rate,
    RedisUrlInvalid,
    Symptom,
    Verdict,
    open_coordination,
)
from gateway.coordination.shared import RedisCoordination
from tests.coordination.conftest import POLICY, Gateways, command
from tests.servers import RedisServer

pytestmark = pytest.mark.anyio

TAKER = """
import asyncio, sys
from gateway.coordination import Policy, Rate, open_coordination

async def main():
    policy = Policy(rates={"bank": Rate(per_minute=0.6, burst=100)})
    coordination = await open_coordination(sys.argv[1], policy)
    sys.stdin.readline()
    print(sum([await coordination.take("bank") == 0 for _ in range(150)]), coordination.health())
    await coordination.close()

asyncio.run(main())
"""


async def test_two_processes_share_one_bucket(mistreated: RedisServer) -> None:
    arguments = [sys.executable, "-c", TAKER, mistreated.url]
    pipe = subprocess.PIPE
    takers = [await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe) for _ in range(2)]
    printed = await asyncio.gather(*(taker.communicate(b"go\n") for taker in takers))
    lines = [out.decode().split() for out, _ in printed]
    assert [health for _, health in lines] == ["ok", "ok"]
    assert sum(int(taken) for taken, _ in lines) == 100


async def test_two_gateways_at_once_take_what_one_may(gateways: Gateways) -> None:
    gateways.policy = Policy(rates={"bank": Rate(per_minute=0.6, burst=50)})
    both = await gateways.two()
    waits = await asyncio.gather(*(each.take("bank") for each in both for _ in range(40)))
    assert waits.count(0) == 50


async def test_retry_after_heard_by_one_stops_the_other(gateways: Gateways) -> None:
    one, other = await gateways.two()
    await one.pause("promo", 30)
    assert 29 < await other.take("promo") <= 30


async def test_one_gateways_shorter_retry_after_does_not_shorten_anothers(gateways: Gateways) -> None:
    one, other = await gateways.two()
    await one.pause("promo", 30)
    await other.pause("promo", 1)
    third = await gateways.join()
    assert await third.take("promo") > 29


async def test_one_gateways_discovery_stops_the_other(gateways: Gateways) -> None:
    one, other = await gateways.two()
    await one.record("bank", Kind.WRITE, Symptom.UNREACHABLE)
    await other.record("bank", Kind.WRITE, Symptom.UNREACHABLE)
    for each in (one, other):
        assert await each.circuit("bank", Kind.WRITE) is CircuitState.OPEN
        assert (await each.admit("bank", Kind.WRITE)).verdict is Verdict.STOP


async def test_exactly_one_of_two_gateways_probes_and_both_learn(gateways: Gateways) -> None:
    one, other = await gateways.two()
    for _ in range(2):
        await one.record("bank", Kind.READ, Symptom.UNREACHABLE)
    await asyncio.sleep(POLICY.circuit.interval + 0.005)
    asked = await asyncio.gather(*(each.admit("bank", Kind.READ) for each in (one, other) for _ in range(10)))
    assert sorted(admission.verdict for admission in asked) == [Verdict.PROBE, *[Verdict.STOP] * 19]
    prober, learner = (one, other) if Verdict.PROBE in [each.verdict for each in asked[:10]] else (other, one)
    await prober.record("bank", Kind.READ, Symptom.OK, probe=True)
    assert (await learner.admit("bank", Kind.READ)).verdict is Verdict.GO


async def test_a_read_of_one_is_served_by_the_other_until_anyone_drops_it(gateways: Gateways) -> None:
    one, other = await gateways.two()
    look = await one.get("bank", "key")
    await one.put("bank", "key", b"value", look)
    assert (await other.get("bank", "key")).value == b"value"
    await other.drop("bank")
    assert (await one.get("bank", "key")).value is None
    await one.put("bank", "key", b"outdated", look)
    assert (await other.get("bank", "key")).value is None


async def test_wake_ups_arrive_at_the_other(gateways: Gateways) -> None:
    one, other = await gateways.two()
    with other.subscribe("due") as wakeups:
        await one.wake("due", "op_ü")
        assert await wakeups.next(within=2) == "op_ü"


async def test_what_is_not_one_of_us_on_the_channel_is_ignored(gateways: Gateways, mistreated: RedisServer) -> None:
    one, other = await gateways.two()
    with other.subscribe("due") as wakeups:
        for junk in ("junk", "[1]", "3", '{"a":1}'):
            assert command(mistreated, "PUBLISH", "payout-gateway:0:wake", junk) == 2
        await one.wake("due", "op_1")
        assert await wakeups.next(within=2) == "op_1"


async def test_databases_and_namespaces_are_apart(gateways: Gateways, mistreated: RedisServer) -> None:
    one = await gateways.join()
    foreign = [
        RedisCoordination(f"{mistreated.url}?db=1", POLICY),
        RedisCoordination(mistreated.url, POLICY, namespace="staging"),
    ]
    await one.pause("bank", 30)
    for each in foreign:
        await each.start()
        with each.subscribe("due") as wakeups:
            assert str(each.health()) == "ok"
            assert await each.take("bank") == 0
            await one.wake("due", "op_1")
            assert await wakeups.next(within=0.05) is None
        await each.close()


async def test_every_key_ends_by_itself(gateways: Gateways, mistreated: RedisServer) -> None:
    one = await gateways.join()
    await one.take("bank")
    await one.pause("bank", 5)
    await one.record("bank", Kind.READ, Symptom.ERROR)
    await one.drop("bank")
    await one.put("bank", "key", b"value", await one.get("bank", "key"))
    keys = command(mistreated, "KEYS", "*")
    assert len(keys) == 5
    assert all(command(mistreated, "PTTL", key) > 0 for key in keys)


async def test_a_crowd_is_answered_and_not_held_against_redis(
    gateways: Gateways, caplog: pytest.LogCaptureFixture
) -> None:
    one = await gateways.join(Patience())
    loop = asyncio.get_running_loop()

    async def timed() -> float:
        began = loop.time()
        await one.take("promo")
        return loop.time() - began

    spent = await asyncio.gather(*(timed() for _ in range(1000)))
    assert max(spent) < 1.0
    assert str(one.health()) == "ok"
    assert "left alone" not in caplog.text


async def test_our_own_late_loop_is_not_held_against_redis(gateways: Gateways) -> None:
    one = await gateways.join(Patience(timeout=0.1))
    loop = asyncio.get_running_loop()
    for turns in range(5):  # wherever the command is by then
        taking = asyncio.create_task(one.take("promo"))
        for _ in range(turns):
            await asyncio.sleep(0)
        loop.call_soon(time.sleep, 0.11)
        assert await taking == 0
        assert str(one.health()) == "ok"


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://:test-pass/word@127.0.0.1:6379", "nonsense"])
async def test_a_url_that_is_none_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(RedisUrlInvalid) as refused:
        await open_coordination(url)
    assert "test-pass" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_without_a_url_the_process_coordinates_itself() -> None:
    coordination = await open_coordination(None)
    assert str(coordination.health()) == "local: no Redis is configured"
    await coordination.close()
