"""One lane of the fault matrix: a write, one gateway in this process for it, one simulator, and a clock that is moved.

A story of hours takes milliseconds: the lane runs the resolver itself, whenever something is due.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx

from contracts.simulator.engine import Simulator
from contracts.simulator.server import running
from gateway.coordination import LocalCoordination
from gateway.engine.intent import call_of, intent_of
from gateway.operation import Operation, State
from gateway.store.audit import Audit
from gateway.store.interface import Transaction
from gateway.store.questions import list_operations
from tests.battery.checker import Move, Told, Violation, chain, check, executions_of_log, slot_of, stuck
from tests.battery.fault_meeting import Meeting
from tests.battery.fault_table import BEFORE_THE_CONNECTION, TIMEOUT, Cell, Write, afterwards, rest
from tests.battery.moved_clock import Clock, ClockedStore
from tests.conftest import Stack, order, raw_config, stack_of
from tests.servers import _free_port, _memory

NOWHERE = "no-such-host.invalid"
DAY = 24 * 3600
ROUNDS = 40  # of the resolver, at most; no story takes more than 20
LANDS_WITHIN = 10.0


class _Alarms(logging.Handler):
    """Which operations the gateway called a person for."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.rang: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if "needs a person" in record.msg and isinstance(record.args, tuple):
            self.rang.add(str(record.args[0]))


@contextlib.asynccontextmanager
async def lane(write: Write) -> AsyncIterator[Lane]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-", dir=_memory())))
        simulator = Simulator(write.provider)
        simulators = {write.connection: await stack.enter_async_context(running(simulator))}
        raw = raw_config(simulators, folder)
        raw |= {"routes": [], "operations": {"lookup_window": 60}}
        raw["connections"][write.connection]["timeout"] = TIMEOUT
        if write.bulk:
            raw["connections"][write.connection]["settings"] = {"bulk_key": "ids"}
        made = Lane(write, await stack.enter_async_context(stack_of(raw, simulators)), simulator)
        log = logging.getLogger("gateway.operations")
        log.addHandler(made.alarms)
        stack.callback(log.removeHandler, made.alarms)
        yield made


class Starved(httpx.AsyncBaseTransport):
    """A pool in which no connection comes free."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.PoolTimeout("no connection came free", request=request)


class Lane:
    """One write's gateway and provider, and what is met there."""

    def __init__(self, write: Write, stack: Stack, simulator: Simulator) -> None:
        self.write, self.stack, self.simulator = write, stack, simulator
        self.connection = stack.gateway.connections[write.connection]
        self.runner = stack.gateway.runner
        self.clock, self.alarms = Clock(), _Alarms()
        self.store = ClockedStore(stack.gateway.store, self.clock)
        for part in (self.runner, stack.gateway.writer, stack.gateway.decisions):
            part.store = self.store
        self.runner.clock = self.clock
        self.home, self.transport = self.connection.upstream.base_url, self.connection.upstream.transport
        self.seeds = [dict(record.body) for record in [*simulator.state.payouts, *simulator.state.requests]]
        self.number = 0

    async def meet(self, cell: Cell) -> Meeting:
        """The whole story of one cell: the answer, the rest that it comes to by itself, and what appears after it."""
        seen, targets = Meeting(cell), self._fresh()
        self._break(cell, targets)
        answer = await self._write(cell, targets)
        if cell.story != "stays":
            self._mend(cell)
        told = seen.check_answer(answer)
        if cell.executed == "later":
            await self._landed()
        moves = await self._until_rest(cell)
        for operation in await self._operations(cell):
            seen.compare("at rest", operation, rest(cell))
        moves += await self._afterwards(cell, seen)
        await self._judge(cell, seen, told, moves)
        await self._clear_up(cell)
        return seen

    async def at_the_end(self) -> list[Violation]:
        _, broken = await self.store.read(Audit().verify)
        return chain(broken)

    def _fresh(self) -> list[str]:
        """The targets of the next cell, as the provider has them; the circuit and the faults of the last are gone."""
        self.number += 1
        self.simulator.faults.clear()
        self.simulator.log.clear()
        self.connection.coordination = LocalCoordination(clock=self.clock)
        self.connection.upstream.budget.spend = lambda: False  # type: ignore[method-assign]
        if not self.write.begins:
            return ["settings"] if self.write.action == "put_settings" else []
        request = self.write.action.endswith("_request")
        like = next(
            each for each in self.seeds
            if each["status"] == self.write.begins and ("payout_id" in each) is request
        )  # fmt: skip
        made = [{**like, "id": self._id(like["id"], place)} for place in range(2 if self.write.bulk else 1)]
        self.simulator.seed(**{"requests" if request else "payouts": made}, replace=True)  # type: ignore[arg-type]
        return [str(each["id"]) for each in made]

    def _id(self, like: str | int, place: int) -> str | int:
        number = 1_000_000 + 2 * self.number + place
        return number if isinstance(like, int) else f"po_fault_{number}"

    def _break(self, cell: Cell, targets: list[str]) -> None:
        times = None if cell.story == "stays" else 1
        if cell.fault in BEFORE_THE_CONNECTION:
            self._cut(cell.fault)
        elif cell.fault is not None:
            self.simulator.add_fault(
                cell.fault, operation=self.write.operation, when=cell.when, times=times, **cell.params
            )
        if cell.story in ("lags", "lags long") and self.write.look_up:
            self.simulator.advance(seconds=100)
            # A create is looked up every few seconds, a guarded write when nothing can land any more.
            short = 3 if self.write.effect == "create" else len(targets)
            times = short if cell.story == "lags" else None
            self.simulator.add_fault("read_lag", operation=self.write.look_up, seconds=50, times=times)

    def _cut(self, how: str) -> None:
        upstream, port = self.connection.upstream, self.home.rpartition(":")[2]
        match how:
            case "refused_port":
                upstream.base_url = f"http://127.0.0.1:{_free_port()}"
            case "no_such_name":
                upstream.base_url = f"http://{NOWHERE}:{port}"
            case "tls_to_a_plain_port":
                upstream.base_url = f"https://127.0.0.1:{port}"
            case _:
                upstream.transport = Starved()

    def _mend(self, cell: Cell) -> None:
        self.connection.upstream.base_url, self.connection.upstream.transport = self.home, self.transport
        if not cell.story.startswith("lags"):
            self.simulator.faults.clear()

    async def _write(self, cell: Cell, targets: list[str]) -> httpx.Response:
        name, verb = self.write.connection, self.write.action.removesuffix("_request")
        ids, body = [f"{name}:{target}" for target in targets], dict(self.write.body)
        match self.write.action:
            case "create":
                path, body = "/v1/payouts", order(f"invoice-{self.number}", connection=name)
            case "put_settings":
                path, body = f"/v1/connections/{name}/settings", _settings(self.number)
            case _ if self.write.bulk:
                path, body["ids"] = f"/v1/payouts/bulk/{verb}", ids
            case _:
                kind = "payouts" if verb == self.write.action else "payout-requests"
                path = f"/v1/{kind}/{ids[0]}/{verb}"
        method = "PUT" if self.write.action == "put_settings" else "POST"
        return await self.stack.write(method, path, body, cell.name)

    async def _landed(self) -> None:
        async with asyncio.timeout(LANDS_WITHIN):
            while not self.simulator.log.executed():
                await asyncio.sleep(0.01)

    async def _until_rest(self, cell: Cell) -> list[Move]:
        """Runs what is due when it is due. Who waits for a person is looked at once more."""
        moves: list[Move] = []
        watched: set[str] = set()
        before = {each.id: each for each in await self._operations(cell)}
        for number in range(ROUNDS):
            due = [each for each in before.values() if each.due_at and each.id not in watched]
            if not due:
                return moves
            if number == 8 and all(each.state is State.ACCEPTED for each in due):
                self.clock.ahead += DAY + 3600
            self.clock.reach(max(each.due_at or 0 for each in due))  # a bulk call's are due at the same time
            watched |= {each.id for each in due if each.state is State.NEEDS_REVIEW}
            await self.runner.resume_due()
            after = {each.id: each for each in await self._operations(cell)}
            moves += [Move(id, before[id].state, each.state, 10**15) for id, each in after.items()]
            before = after
        return moves

    async def _afterwards(self, cell: Cell, seen: Meeting) -> list[Move]:
        if cell.story not in ("lags long", "lands"):
            return []
        self.simulator.faults.clear()
        if cell.story == "lands":  # the very call that was thought lost, at last
            intents = [intent_of(each) for each in await self._operations(cell)]
            if self.write.bulk:
                bulk = getattr(self.connection.provider, f"bulk_{self.write.action}")
                await self.connection.upstream.send(bulk([each.target for each in intents], intents[0].body))
            else:
                await self.connection.upstream.send(call_of(self.connection.provider, intents[0]))
        moves = await self._until_rest(cell)
        for operation in await self._operations(cell):
            seen.compare("afterwards", operation, afterwards(cell))
        return moves

    async def _judge(self, cell: Cell, seen: Meeting, told: list[Told], moves: list[Move]) -> None:
        """The one checker, over this cell's own operations."""
        operations = await self._operations(cell)
        entries = [entry.as_json() for entry in self.simulator.log]
        seen.wrong += [f"the simulator is wrong: {each.violation}" for each in self.simulator.log.violations]
        seen.executions = sum(entry["executed"] for entry in entries)
        seen.ended = [each.state for each in operations]
        names = {self.write.action: _single(self.write.operation)}
        executions = executions_of_log(self.write.connection, map(_addressed, entries), operations, names)
        now = int(self.clock() * 1000)
        seen.wrong += map(str, [
            *check(
                operations, executions, accepted=map(slot_of, operations), moves=moves, told=told,
                alarms=frozenset(self.alarms.rang),
            ),
            *stuck(operations, now, now),
        ])  # fmt: skip
        if len(operations) != len(told):
            seen.wrong.append(f"{len(told)} operations were answered, {len(operations)} are journaled")

    async def _clear_up(self, cell: Cell) -> None:
        """What waits for a person keeps its target busy; the settings are the next cell's target, too."""
        self._mend(cell)
        for operation in await self._operations(cell):
            if operation.state is State.NEEDS_REVIEW and operation.kind == "settings":
                self.clock.ahead += DAY  # before, it might still land, and nobody may close it
                await self.stack.gateway.decisions.close(operation, "a second person", "executed", "a test")

    async def _operations(self, cell: Cell) -> list[Operation]:
        def own(tx: Transaction) -> list[Operation]:
            return [each for each in list_operations(tx, None, limit=4) if each.key == cell.name]

        return await self.store.read(own)


def _settings(number: int) -> dict[str, Any]:
    minimum = {"currency": "USD", "minor_units": 10_000 + number}
    plain = {"frequency": "monthly", "day": 1, "allow_early_requests": True, "auto_create": True}
    return {**plain, "minimum": minimum}


def _addressed(entry: dict[str, Any]) -> dict[str, Any]:
    """The log's entry under the names by which the journal knows the write."""
    name = _single(entry["operation"])
    ids = ["settings"] if name == "update_payout_settings" else entry["ids"]
    return {**entry, "operation": name, "ids": ids}


def _single(operation: str) -> str:
    """The call that does for one payout what a bulk call does for many."""
    return {"bulk_mark_processing": "mark_payout_processing", "bulk_complete": "complete_payout"}.get(
        operation, operation
    )
