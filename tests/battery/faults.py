"""The fault matrix: every fault of the simulator x every write x before and after its execution.

What is expected stands in `fault_table`; what a cell goes through, in `fault_lane`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

from gateway.engine import connection, running
from tests.battery.checker import Violation
from tests.battery.fault_lane import DAY, NOWHERE, lane
from tests.battery.fault_meeting import Meeting
from tests.battery.fault_table import WRITES, Cell, Write, cells
from tests.battery.result import Progress, Result, result_of


def run(count: int, seed: int, progress: Progress) -> Result:
    """`count` cells, spread over the matrix by the seed; all of them where it has no more."""
    return asyncio.run(_run(count, seed, progress))


async def _run(count: int, seed: int, progress: Progress) -> Result:
    began = time.monotonic()
    done, violations = await meet(spread(cells(), count, seed), progress)
    return result_of("faults", len(done), _happened(done), time.monotonic() - began, violations)


async def meet(chosen: Sequence[Cell], progress: Progress) -> tuple[list[Meeting], list[str]]:
    """What came of these cells, and every promise that was broken. The writes' lanes go on side by side."""
    done: list[Meeting] = []
    ways = [(write, own) for write in WRITES if (own := [cell for cell in chosen if cell.write is write])]
    built = asyncio.Barrier(len(ways))

    async def go_through(write: Write, own: Sequence[Cell]) -> list[Violation]:
        try:
            async with lane(write) as way:
                await built.wait()  # starting keeps the loop busy, and must not look like a slow provider
                for cell in own:
                    done.append(await way.meet(cell))
                    progress(len(done))
                return await way.at_the_end()
        except Exception as error:  # the other lanes go on
            await built.abort()
            return [Violation("broke off", write.name, f"{type(error).__name__}: {error}")]

    with _world():
        ends = await asyncio.gather(*(go_through(write, own) for write, own in ways))
    violations = [f"{each.cell.name}: {wrong}" for each in done for wrong in each.wrong]
    return done, violations + [str(each) for end in ends for each in end]


@contextlib.contextmanager
def _world() -> Iterator[None]:
    """Nobody resumes but the lanes, a held connection may be asked at any time, and one name does not exist."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *more: Any, **named: Any) -> Any:
        if host in (NOWHERE, NOWHERE.encode()):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *more, **named)

    with (
        patch.object(running, "IDLE_SECONDS", 10 * DAY),
        patch.object(connection, "PROBE_SECONDS", 0.0),
        patch.object(socket, "getaddrinfo", resolved),
    ):
        yield


def spread(every: Sequence[Cell], count: int, seed: int) -> list[Cell]:
    """As many cells of each fault as of any other, and each time another write."""
    if count >= len(every):
        return list(every)
    rng, turns = random.Random(seed), Counter[Any]()  # noqa: S311
    mixed = rng.sample(list(every), len(every))
    order_of: dict[str, int] = {}
    for cell in mixed:
        turns[cell.fault, cell.when, cell.story] += 1
        order_of[cell.name] = turns[cell.fault, cell.when, cell.story]
    return sorted(mixed, key=lambda cell: order_of[cell.name])[:count]


def _happened(done: Sequence[Meeting]) -> Counter[str]:
    happened = Counter(f"answered {state}" for each in done for state in each.answered)
    happened.update(f"ended {state}" for each in done for state in each.ended)
    happened["kinds of fault"] = len({each.cell.fault for each in done if each.cell.fault})
    happened["executions"] = sum(each.executions for each in done)
    return happened
