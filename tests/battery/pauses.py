"""A gateway is stopped in the middle of a send until its lease has ended and another has taken over; then it goes on.

What it holds by then is stale: it may be kept as evidence, and is never applied.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import httpx
import msgspec

from gateway.operation import Operation, State
from gateway.store.questions import attempts_of, find_by_key
from tests.battery.checker import FINAL, Violation
from tests.battery.fast_gateway import LEASE
from tests.battery.processes import (
    FAST,
    PATIENCE,
    WRITES,
    Client,
    GatewayProcess,
    Job,
    Site,
    TooLate,
    begun,
    calling,
    site,
    until,
)
from tests.battery.result import Progress, Result, result_of
from tests.servers import shared_postgres

LANES = 5  # pairs of gateways side by side: most of the time they wait for a lease to end
REFUSED = "has moved on; this result is kept as evidence only"
LOOK_UP = "list_payouts"  # how a create is looked up at its provider


class Way(StrEnum):
    """Where the gateway is stopped, and when it goes on."""

    MID_SEND = "mid-send"
    BEFORE_THE_SEND = "between commit and send"
    WHILE_LOOKED_UP = "mid-send, going on while the other looks up"


def run(count: int, seed: int, progress: Progress) -> Result:
    """`count` pauses, over as many pairs of gateways as are useful."""
    return asyncio.run(_run(count, seed, progress))


async def _run(count: int, seed: int, progress: Progress) -> Result:
    began, rng = time.monotonic(), random.Random(seed)  # noqa: S311
    battery = _Battery(rng, progress)
    ways = [tuple(Way)[number % len(Way)] for number in range(count)]
    lanes = min(LANES, count)
    await asyncio.gather(*(battery.lane(ways[number::lanes]) for number in range(lanes)))
    violations = battery.violations
    if battery.happened["stale results refused"] < count - battery.happened["an open circuit sent nothing"]:
        violations.append("a stopped gateway had no stale result to be refused: the battery proves nothing")
    return result_of("pauses", count, battery.happened, time.monotonic() - began, violations)


class _Battery:
    """What all lanes share."""

    def __init__(self, rng: random.Random, progress: Progress) -> None:
        self.rng, self.progress, self.done = rng, progress, 0
        self.happened: Counter[str] = Counter()
        self.violations: list[Violation | str] = []

    async def lane(self, ways: list[Way]) -> None:
        """Pauses of one pair of gateways, one after the other."""
        async with site(lambda folder: shared_postgres().new_database(), LEASE) as place, calling() as calls:
            traps = [place.config.with_name(f"stop-{number}") for number in range(2)]
            pair = [place.gateway(FAST, STOP_BEFORE_SEND=str(trap)) for trap in traps]
            await begun(pair)
            for way in ways:
                chosen = self.rng.randrange(2)
                pause = _Pause(place, calls, pair[chosen], traps[chosen], self.rng)
                self.violations += await pause.run(way)
                self._count(way, pause)
            try:
                await place.at_rest(60)
            except TooLate as late:
                self.violations.append(f"at_rest: {late}")
            await place.drained()
            self.happened["stale results refused"] += sum(each.count(REFUSED) for each in pair)
            self.happened.update(f"ended {each.state}" for each in await place.operations())
            self.violations += await place.violations()

    def _count(self, way: Way, pause: _Pause) -> None:
        self.happened[f"stopped {way}"] += 1
        self.happened["an open circuit sent nothing"] += pause.kept_back
        self.happened[f"the stopped gateway answered {pause.told}"] += 1
        self.done += 1
        self.progress(self.done)


class _Pause:
    """One write through a gateway that is stopped on the way."""

    def __init__(
        self, place: Site, calls: httpx.AsyncClient, victim: GatewayProcess, trap: Path, rng: random.Random
    ) -> None:
        self.place, self.victim, self.trap, self.rng = place, victim, trap, rng
        self.client = Client(place.answers, calls, self._url)
        self.told: State | None = None
        self.kept_back = False

    async def run(self, way: Way) -> list[str]:
        kind = "create" if way is Way.WHILE_LOOKED_UP else self.rng.choice(tuple(WRITES))
        job, refused = self.place.job(kind), self.victim.count(REFUSED)
        act = self._slow_down(way, kind)
        seen = self._arrivals("create", LOOK_UP)
        asking = asyncio.ensure_future(self._ask(job, way, kind))
        try:
            await until(self._stopped, PATIENCE, f"a gateway stopped {way}")
            taken = await until(lambda: self._taken_over(job), PATIENCE, f"{job.key} taken over")
            if way is Way.WHILE_LOOKED_UP:
                await self._more("create", LOOK_UP, seen)
                act()
            elif self.rng.random() < 0.5:
                before = taken.fence
                taken = await until(lambda: self._settled(job, before), PATIENCE, f"{job.key} settled by the other")
            self.victim.go_on()
            self.told = await asyncio.wait_for(asking, PATIENCE)
            applied = await self._applied(job, refused)
        finally:
            self.victim.go_on()
            asking.cancel()
        return applied + await self._backwards(job, taken)

    def _slow_down(self, way: Way, kind: str) -> Callable[[], None]:
        """Prepares the provider. What comes back lets the write happen that the provider still sits on."""
        held: list[Callable[[], object]] = []
        if way is Way.MID_SEND:
            seconds, when = self.rng.uniform(0.3, 0.8), self.rng.choice(("before", "after"))
            self.place.fault(kind, "delay", seconds=seconds, when=when)
        elif way is Way.BEFORE_THE_SEND:
            self.trap.touch()
        else:
            bank = self.place.simulators["bank"].simulator
            bank._later = lambda act, seconds: held.append(act)  # type: ignore[method-assign]  # at our word
            self.place.fault(kind, "late", then="hang")
            # The other gateway sees that there is nothing, and records it only after the stopped one saw more.
            bank.add_fault("delay", operation=LOOK_UP, when="after", seconds=0.7)

        def happens() -> None:
            for act in held:
                act()

        return happens

    async def _ask(self, job: Job, way: Way, kind: str) -> State:
        if way is Way.BEFORE_THE_SEND:  # it stops itself
            return await self.client.write(job)
        seen = self._arrivals(kind, WRITES[kind][2])
        asking = asyncio.ensure_future(self.client.write(job))
        try:
            await self._more(kind, WRITES[kind][2], seen)
            await asyncio.sleep(0 if way is Way.WHILE_LOOKED_UP else self.rng.uniform(0, 0.25))
            self.victim.pause()
            return await asking
        finally:
            asking.cancel()

    def _arrivals(self, kind: str, operation: str) -> int:
        """How many such requests the provider has seen."""
        log = self.place.simulators[WRITES[kind][0]].simulator.log
        return sum(entry.operation == operation for entry in log)

    async def _more(self, kind: str, operation: str, seen: int) -> None:
        async def arrived() -> bool:
            return self._arrivals(kind, operation) > seen

        await until(arrived, PATIENCE, f"{operation} at the provider", 0.002)

    async def _stopped(self) -> bool:
        return self.victim.paused()

    async def _taken_over(self, job: Job) -> Operation | None:
        """The operation, once the other gateway has moved its fence on and recorded what that means."""
        found = await self._found(job)
        return found if found is not None and found.fence > 0 and found.state is not State.SENDING else None

    async def _settled(self, job: Job, fence: int) -> Operation | None:
        """As far as the other brings it by itself; a create that is absent stays unknown for a minute."""
        found = await self._found(job)
        looked_up = found is not None and found.action == "create" and found.fence > fence
        return found if found is not None and (found.state in FINAL or looked_up) else None

    async def _applied(self, job: Job, refused: int) -> list[str]:
        """Nothing, once the gateway that was stopped has seen that its result is stale."""
        found = await self._found(job)
        attempts = await self.place.read(lambda tx: attempts_of(tx, found.id)) if found else []
        if attempts and "circuit is open" in (attempts[0].detail or ""):
            self.kept_back = True  # by what earlier sends met here: none was under way when the gateway was stopped
            return []

        async def seen() -> bool:
            return self.victim.count(REFUSED) > refused

        try:
            await until(seen, 60, f"a stale result of {job.key} refused", tell=self.victim.tail)
        except TooLate as late:
            return [f"fence: {late}"]
        return []

    async def _found(self, job: Job) -> Operation | None:
        return await self.place.read(lambda tx: find_by_key(tx, "default", job.key, ""))

    async def _backwards(self, job: Job, taken: Operation) -> list[str]:
        """The fence only grows, and what was final is untouched."""
        now = await self._found(job)
        if now is None or now.fence < taken.fence:
            return [f"backwards: {job.key} was at fence {taken.fence}"]
        if taken.state in FINAL and msgspec.structs.replace(now, due_at=taken.due_at) != taken:
            return [f"backwards: {job.key} was {taken.state}, and has changed to {now.state}"]
        return []

    async def _url(self) -> str:
        return self.victim.url
