"""64 clients send one write with one key to three gateways at once: it is executed once, and all are told of one."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

import httpx

from tests.battery.processes import FAST, WRITES, Client, GatewayProcess, Site, begun, calling, site
from tests.battery.result import Progress, Result, result_of
from tests.servers import shared_postgres, shared_redis

CLIENTS = 64
GATEWAYS = 3
PATIENT = 12.0  # seconds: nothing is broken here, so no send may look as if it were


def run(count: int, seed: int, progress: Progress) -> Result:
    """`count` keys, one after the other."""
    return asyncio.run(_run(count, seed, progress))


async def _run(count: int, seed: int, progress: Progress) -> Result:
    began, rng = time.monotonic(), random.Random(seed)  # noqa: S311
    happened: Counter[str] = Counter()
    shared_redis().flush()
    journal = shared_postgres().new_database()
    async with (
        site(lambda folder: journal, redis=shared_redis().url, sends_within=PATIENT) as place,
        calling(CLIENTS) as calls,
    ):
        gateways = [place.gateway(FAST) for _ in range(GATEWAYS)]
        await begun(gateways)
        for done in range(count):
            await _one(place, calls, gateways, rng, happened)
            progress(done + 1)
        await place.at_rest(ended=True)
        await place.drained()
        violations = [*await place.violations(), *await _each_executed_once(place)]
        happened.update(f"ended {each.state}" for each in await place.operations())
    return result_of("one key", count, happened, time.monotonic() - began, violations)


async def _one(
    place: Site,
    calls: httpx.AsyncClient,
    gateways: list[GatewayProcess],
    rng: random.Random,
    happened: Counter[str],
) -> None:
    kind = rng.choice(tuple(WRITES))
    job = place.job(kind)
    if rng.random() < 0.5:  # so that most clients come while it is being sent
        place.fault(kind, "delay", seconds=rng.uniform(0.05, 0.4), when=rng.choice(("before", "after")))

    def client(gateway: GatewayProcess) -> Client:
        async def url() -> str:
            return gateway.url

        return Client(place.answers, calls, url)

    chosen = [gateways[number % GATEWAYS] for number in range(CLIENTS)]
    rng.shuffle(chosen)
    states = await asyncio.gather(*(client(gateway).write(job) for gateway in chosen))
    happened.update(f"answered {state}" for state in states)


async def _each_executed_once(place: Site) -> list[str]:
    """Not only at most once: nothing was killed here, so that each is done."""
    operations = await place.operations()
    done = Counter(each.slot for each in place.executions(operations))
    wanted = {f"default/{key}/" for key in place.answers.operations}
    return [f"executed once: {slot} {done[slot]} times" for slot in sorted(wanted) if done[slot] != 1]
