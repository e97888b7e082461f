"""PostgreSQL killed under load; Redis killed, flushed, stopped and away under load: what callers meet, and what stays.

Two gateways share the journal and Redis. A caller who is answered 503 sends the same again under the same key.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from gateway.operation import State
from gateway.store.threads import PATIENCE
from tests.battery.callers import Job, calling
from tests.battery.checker import slot_of
from tests.battery.fast_gateway import LEASE
from tests.battery.gateways import FAST, GatewayProcess, until
from tests.battery.processes import WRITES, Site, site
from tests.battery.result import Progress, Result, result_of
from tests.servers import PostgresServer, RedisServer, postgres_server, redis_server, shared_postgres

CALLERS = 8
GATEWAYS = 2
PART = 10  # outages over one journal
IN_TIME = 5.0  # seconds that an answer may take: as long as a gateway waits for an outcome
ANSWERED_WELL = 0.99
SETTLED_AFTER = 20  # writes that are answered between two outages
AWAY_SECONDS = 30.0
LOGS_DIFFER = 1000  # milliseconds by which a provider's log may be ahead of our clock
REDIS_HARMS = ("killed", "flushed", "stopped", "away")


def run_postgres(count: int, seed: int, progress: Progress) -> Result:
    """`count` times PostgreSQL and its children are killed (-9) while callers write, and started again."""
    return asyncio.run(_postgres(count, seed, progress))


def run_redis(count: int, seed: int, progress: Progress, away: float = AWAY_SECONDS) -> Result:
    """`count` outages of Redis while callers write: killed, flushed, stopped and `away` for some seconds, in turn."""
    return asyncio.run(_redis(count, seed, progress, away))


async def _postgres(count: int, seed: int, progress: Progress) -> Result:
    began, rng, figures = time.monotonic(), random.Random(seed), Figures()  # noqa: S311
    violations: list[str] = []
    for done in range(0, count, PART):
        with postgres_server() as server:
            async with _site(server, None) as place, _load(place, rng, figures) as load:
                for number in range(done, min(done + PART, count)):
                    await load.goes_on()
                    longest = PATIENCE + 1 if number % 2 else 1.0  # every second one outlasts the gateway's patience
                    await _kill_postgres(server, longest * rng.uniform(0.8, 1), load)
                    progress(number + 1)
                await load.stop()
                await place.at_rest(60)
                violations += await _judged(place, load, figures)
    if not figures.happened["answered 503"]:
        violations.append("no caller met an outage: the battery proves nothing")
    return _result("outages postgres", count, began, figures, violations)


async def _kill_postgres(server: PostgresServer, away: float, load: Load) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(away)  # the length itself is what is tried
    await asyncio.to_thread(server.start)
    await load.goes_on()


async def _redis(count: int, seed: int, progress: Progress, away: float) -> Result:
    began, rng, figures = time.monotonic(), random.Random(seed), Figures()  # noqa: S311
    violations: list[str] = []
    for done in range(0, count, PART):
        with redis_server() as redis:
            async with _site(shared_postgres(), redis) as place, _load(place, rng, figures) as load:
                for number in range(done, min(done + PART, count)):
                    await _until_shared(place)
                    await load.goes_on()
                    await _harm_redis(redis, REDIS_HARMS[number % len(REDIS_HARMS)], away, load)
                    progress(number + 1)
                await load.stop()
                await place.at_rest(60)
                violations += await _judged(place, load, figures)
                figures.happened["gateways that missed Redis"] += _noticed(place)
    if figures.share_in_time() < ANSWERED_WELL:
        violations.append(f"available: only {figures.share_in_time():.2%} were answered 2xx in {IN_TIME} s")
    if not figures.happened["gateways that missed Redis"]:
        violations.append("no gateway missed Redis: the battery proves nothing")
    return _result("outages redis", count, began, figures, violations)


async def _harm_redis(redis: RedisServer, harm: str, away: float, load: Load) -> None:
    load.figures.happened[f"redis {harm}"] += 1
    match harm:
        case "flushed":
            await asyncio.to_thread(redis.flush)
            await load.goes_on()
        case "stopped":
            redis.pause()
            try:
                await load.goes_on()
            finally:
                redis.go_on()
        case _:
            await asyncio.to_thread(redis.kill)
            await load.goes_on()
            if harm == "away":
                await asyncio.sleep(away)  # the length itself is what is tried
            await asyncio.to_thread(redis.start)


async def _until_shared(place: Site) -> None:
    """An outage that no gateway could see would prove nothing."""

    async def shared() -> bool:
        return all(each.count(GONE) <= each.count(BACK) for each in place.gateways)

    await until(shared, 30, "gateways that use Redis again", 0.1)


GONE, BACK = "Redis is left alone", "Redis answers again"


def _noticed(place: Site) -> int:
    return sum(each.count(GONE) for each in place.gateways)


@dataclass
class Figures:
    """What callers met, over a whole run."""

    happened: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    in_time: int = 0

    def answered(self, status: int, seconds: float) -> None:
        self.happened[f"answered {status}"] += 1
        self.seconds.append(seconds)
        self.in_time += status < 300 and seconds <= IN_TIME

    def unanswered(self, seconds: float) -> None:
        self.happened["no answer"] += 1
        self.seconds.append(seconds)

    def share_in_time(self) -> float:
        return self.in_time / max(1, len(self.seconds))

    def slowest(self, share: float) -> int:
        """Milliseconds in which that share of all calls was answered."""
        ordered = sorted(self.seconds)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000) if ordered else 0


class Load:
    """Callers who write until they are told to stop."""

    def __init__(self, place: Site, calls: httpx.AsyncClient, rng: random.Random, figures: Figures) -> None:
        self.place, self.calls, self.rng, self.figures = place, calls, rng, figures
        self.done = 0
        self.refused: list[tuple[str, float]] = []  # keys that were told that nothing was sent, and when
        self.over = False
        self.callers = [asyncio.ensure_future(self._writes()) for _ in range(CALLERS)]

    async def goes_on(self) -> None:
        """Returns when some more writes have been answered."""
        wanted = self.done + SETTLED_AFTER

        async def enough() -> bool:
            for each in self.callers:
                if each.done():
                    each.result()
            return self.done >= wanted

        await until(enough, 60, "writes that are answered", tell=lambda: self.place.gateways[0].tail())

    async def stop(self) -> None:
        self.over = True
        await asyncio.wait_for(asyncio.gather(*self.callers), 60)

    async def cancel(self) -> None:
        for each in self.callers:
            each.cancel()
        await asyncio.gather(*self.callers, return_exceptions=True)

    async def _writes(self) -> None:
        while not self.over:
            job = self.place.job(self.rng.choice(tuple(WRITES)))
            while not await self._answered(job):
                await asyncio.sleep(0.05)
            self.done += 1
            await asyncio.sleep(0.02)

    async def _answered(self, job: Job) -> bool:
        """One call; False: it is to be made again."""
        gateway: GatewayProcess = self.rng.choice(self.place.gateways)
        began = time.monotonic()
        try:
            answer = await self.calls.post(gateway.url + job.path, json=job.body, headers={"Idempotency-Key": job.key})
        except httpx.TransportError:  # a kept connection that was closed while it was taken up again
            self.figures.unanswered(time.monotonic() - began)
            return False
        self.figures.answered(answer.status_code, time.monotonic() - began)
        if answer.status_code == 503:
            self._check_refusal(job, answer)
            return False
        operation = answer.json().get("operation")
        if answer.status_code >= 300 or operation is None:
            self.place.answers.strange.append(f"strange answer: {job.key}: {answer.status_code} {answer.text[:300]}")
            return True
        self.place.answers.operations[job.key].add(operation["id"])
        self.place.answers.told.add((operation["id"], State(operation["state"])))
        return True

    def _check_refusal(self, job: Job, answer: httpx.Response) -> None:
        self.refused.append((job.key, time.time() * 1000))
        named = answer.json().get("type", "").rpartition(":")[2]
        if (named, answer.headers["content-type"]) != ("journal_unavailable", "application/problem+json"):
            self.place.answers.strange.append(f"strange 503: {job.key}: {answer.text[:300]}")


async def _judged(place: Site, load: Load, figures: Figures) -> list[str]:
    """What the checker finds; and whoever was told that nothing was sent was told the truth."""
    operations = await place.operations()
    slots = {each.key: slot_of(each) for each in operations}
    done = {each.slot: each.at for each in place.executions(operations)}
    untrue = [key for key, at in load.refused if key in slots and done.get(slots[key], at) < at - LOGS_DIFFER]
    figures.happened["503 after it was sent"] += len(untrue)
    figures.happened["writes"] += len(operations)
    figures.happened.update(f"ended {each.state}" for each in operations)
    said = [f"truthful: {key} was answered 503, nothing was sent; it was" for key in untrue]
    return [*map(str, await place.violations()), *said]


@asynccontextmanager
async def _site(journal: PostgresServer, redis: RedisServer | None) -> AsyncIterator[Site]:
    url = journal.new_database()
    async with site(lambda folder: url, LEASE, redis.url if redis else None) as place:
        for _ in range(GATEWAYS):
            place.gateway(FAST).start()
        for each in place.gateways:
            await each.ready()
        yield place


@asynccontextmanager
async def _load(place: Site, rng: random.Random, figures: Figures) -> AsyncIterator[Load]:
    async with calling() as calls:
        load = Load(place, calls, rng, figures)
        try:
            yield load
        finally:
            await load.cancel()


def _result(name: str, count: int, began: float, figures: Figures, violations: list[str]) -> Result:
    figures.happened["answered in ms: half"] = figures.slowest(0.5)
    figures.happened["answered in ms: 99 %"] = figures.slowest(0.99)
    figures.happened["answered in ms: all"] = figures.slowest(1)
    figures.happened["per 10,000 answered 2xx in time"] = int(figures.share_in_time() * 10_000)
    return result_of(name, count, figures.happened, time.monotonic() - began, violations)
