"""`kill -9` of a real gateway at random moments, again and again, while callers write and providers are slow."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.battery.processes import FAST, PATIENCE, WRITES, Client, GatewayProcess, Site, calling, make_slow, site
from tests.battery.result import Progress, Result, result_of
from tests.servers import shared_postgres

CLIENTS = 8
PART = 100  # kills over one journal
LIFE = 0.5  # seconds: the most that a gateway lives, once it takes calls
BOOT = 1.5
KILLED_AT_BOOT = 0.1  # the share of kills that come before the gateway takes calls
JOURNALS: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder}/journal.db",
    "postgres": lambda folder: shared_postgres().new_database(),
}


def run(count: int, seed: int, progress: Progress, engine: str = "sqlite") -> Result:
    """`count` kills over one engine. A run of 100 and more also waits for the end of every story."""
    return asyncio.run(_run(count, seed, progress, engine))


async def _run(count: int, seed: int, progress: Progress, engine: str) -> Result:
    began, rng = time.monotonic(), random.Random(seed)  # noqa: S311
    happened: Counter[str] = Counter()
    violations = []
    for done in range(0, count, PART):
        async with site(JOURNALS[engine]) as place:
            part = _Part(place, rng, happened)
            await part.run(min(PART, count - done), lambda kills, before=done: progress(before + kills))  # type: ignore[misc]
            await place.at_rest()
            if count >= PART:
                await place.at_rest(ended=True)
            await place.drained()
            violations += await place.violations()
            happened.update(f"ended {each.state}" for each in await place.operations())
    if count >= PART and not happened["found sending"]:
        violations.append("no kill hit a send: the battery proves nothing")
    return result_of(f"kills {engine}", count, happened, time.monotonic() - began, violations)


class _Part:
    """Kills over one journal, and the callers who live through them."""

    def __init__(self, place: Site, rng: random.Random, happened: Counter[str]) -> None:
        self.place, self.rng, self.happened = place, rng, happened
        self.gateway: GatewayProcess = place.gateway()
        self.up = asyncio.Event()
        self.over = False

    async def run(self, kills: int, progress: Progress) -> None:
        async with calling() as calls:
            client = Client(self.place.answers, calls, self._url)
            callers = [asyncio.ensure_future(self._writes(client)) for _ in range(CLIENTS)]
            try:
                await self._kill(kills, progress)
                self.over = True
                await self._start(FAST)
                await asyncio.wait_for(asyncio.gather(*callers), PATIENCE)
            finally:
                for each in callers:
                    each.cancel()

    async def _kill(self, kills: int, progress: Progress) -> None:
        seen: set[tuple[str, int]] = set()
        for done in range(kills):
            if done and self.rng.random() < KILLED_AT_BOOT:
                self.gateway.start()
                await asyncio.sleep(self.rng.uniform(0, BOOT))
                self.happened["killed at boot"] += 1
            else:
                make_slow(self.place, self.rng, CLIENTS)
                await self._start()
                await asyncio.sleep(self.rng.uniform(0.01, LIFE))
            self.up.clear()
            self.gateway.kill()
            found = await self.place.left_sending() - seen
            self.happened["found sending"] += len(found)
            self.happened["kills that hit a send"] += bool(found)
            seen |= found
            progress(done + 1)

    async def _start(self, module: str | None = None) -> None:
        self.gateway.start(module)
        await self.gateway.ready()
        self.up.set()

    async def _writes(self, client: Client) -> None:
        while not self.over:
            kind = self.rng.choice(tuple(WRITES))
            state = await client.write(self.place.job(kind))
            self.happened[f"first answered {state}"] += 1

    async def _url(self) -> str:
        await self.up.wait()
        return self.gateway.url
