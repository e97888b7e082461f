"""A call that meets a fault: what is executed, when, and what becomes of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from contracts.simulator.connection import Connection
from contracts.simulator.description import Description
from contracts.simulator.faults import Fault
from contracts.simulator.performing import Performer, Work
from contracts.simulator.spoiling import SPOILS
from contracts.simulator.state import State
from contracts.simulator.wire import Answer

Later = Callable[[Callable[[], object], float], None]


@dataclass(frozen=True, slots=True)
class Faulty:
    """`later` runs something after some seconds, whatever becomes of the connection."""

    description: Description
    performer: Performer
    state: State
    later: Later

    async def meet(self, connection: Connection, work: Work, fault: Fault) -> None:
        if fault.kind == "delay":
            await connection.answer(await self._delayed(work, fault))
        elif fault.kind == "read_lag":
            await connection.answer(self.performer.perform(work, self._past(fault)))
        elif fault.kind == "late":
            self.later(lambda: self._perform(work), float(fault.params["seconds"]))
            await self._break(connection, str(fault.params["then"]), 3600.0)
        else:
            answer = self._perform(work) if fault.when == "after" else None
            await self._deliver(connection, work, fault, answer)

    async def _delayed(self, work: Work, fault: Fault) -> Answer:
        if fault.when == "before":
            await asyncio.sleep(float(fault.params["seconds"]))
            return self._perform(work)
        answer = self._perform(work)
        await asyncio.sleep(float(fault.params["seconds"]))
        return answer

    async def _deliver(self, connection: Connection, work: Work, fault: Fault, answer: Answer | None) -> None:
        if fault.kind in ("reset", "close", "hang"):
            await self._break(connection, fault.kind, float(fault.params.get("seconds", 0)))
        elif fault.kind == "truncate" and answer is not None:
            await connection.truncate(answer)
        elif fault.kind == "drip" and answer is not None:
            await connection.drip(answer, float(fault.params["milliseconds"]) / 1000)
        else:
            await connection.answer(SPOILS[fault.kind](fault, answer, self.description, work.request))

    async def _break(self, connection: Connection, how: str, seconds: float) -> None:
        if how == "reset":
            await connection.reset()
        elif how == "close":
            await connection.close()
        else:
            await connection.hang(seconds)

    def _perform(self, work: Work) -> Answer:
        return self.performer.perform(work, self.state)

    def _past(self, fault: Fault) -> State:
        return self.state.as_of(float(fault.params["seconds"]), hide_only=bool(fault.params["hide_only"]))
