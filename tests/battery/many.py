"""Three gateways share one journal and the load; one is killed, and the others finish what it had begun."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

from tests.battery.fast_gateway import LEASE
from tests.battery.processes import (
    FAST,
    PATIENCE,
    WRITES,
    Client,
    GatewayProcess,
    Site,
    begun,
    calling,
    held_by,
    make_slow,
    site,
    until,
)
from tests.battery.result import Progress, Result, result_of
from tests.servers import shared_postgres, shared_redis

CLIENTS = 12
GATEWAYS = 3


def run(count: int, seed: int, progress: Progress) -> Result:
    """`count` times one of three is killed under load, and comes back once the others have taken over."""
    return asyncio.run(_run(count, seed, progress))


async def _run(count: int, seed: int, progress: Progress) -> Result:
    began, rng = time.monotonic(), random.Random(seed)  # noqa: S311
    happened: Counter[str] = Counter()
    shared_redis().flush()
    journal = shared_postgres().new_database()
    async with site(lambda folder: journal, LEASE, shared_redis().url) as place:
        three = _Three(place, rng, happened)
        await three.run(count, progress)
        await place.at_rest()
        await place.drained()
        violations = [*await place.violations(), *three.idle()]
        happened.update(f"ended {each.state}" for each in await place.operations())
    if not happened["taken over by the others"]:
        violations.append("no killed gateway left work behind: the battery proves nothing")
    return result_of("many gateways", count, happened, time.monotonic() - began, violations)


class _Three:
    """Three gateways, and callers who know all of them and prefer none."""

    def __init__(self, place: Site, rng: random.Random, happened: Counter[str]) -> None:
        self.place, self.rng, self.happened = place, rng, happened
        self.gateways = [place.gateway(FAST) for _ in range(GATEWAYS)]
        self.over = False

    async def run(self, count: int, progress: Progress) -> None:
        await begun(self.gateways)
        async with calling() as calls:
            client = Client(self.place.answers, calls, self._url)
            callers = [asyncio.ensure_future(self._writes(client)) for _ in range(CLIENTS)]
            try:
                for done in range(count):
                    await self._kill(self.rng.choice(self.gateways))
                    progress(done + 1)
                self.over = True
                await asyncio.wait_for(asyncio.gather(*callers), PATIENCE)
            finally:
                for each in callers:
                    each.cancel()

    def idle(self) -> list[str]:
        """A gateway that took no share of the load."""
        return [f"share: {each.url} served nobody" for each in self.gateways if not self.place.answers.served[each.url]]

    async def _kill(self, victim: GatewayProcess) -> None:
        make_slow(self.place, self.rng, 2 * CLIENTS)
        await until(lambda: self._busy(victim), PATIENCE, "a gateway with work under way", 0.01)
        victim.kill()
        left = await held_by(self.place, victim.pid)
        self.happened["killed while sending"] += bool(left)
        await until(lambda: self._taken(left), PATIENCE, "the others take over", 0.1)
        self.happened["taken over by the others"] += len(left)
        victim.start()
        await victim.ready()

    async def _busy(self, gateway: GatewayProcess) -> bool:
        return bool(self.place.answers.served[gateway.url]) and len(await held_by(self.place, gateway.pid)) > 1

    async def _taken(self, left: set[tuple[str, int]]) -> bool:
        return not left & await self.place.left_sending()

    async def _writes(self, client: Client) -> None:
        while not self.over:
            kind = self.rng.choice(tuple(WRITES))
            state = await client.write(self.place.job(kind))
            self.happened[f"first answered {state}"] += 1

    async def _url(self) -> str:
        return self.rng.choice(self.gateways).url
