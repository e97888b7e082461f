"""The engine: one ASGI application that is any provider, given its contract and its description."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace as copied
from typing import Any

from contracts.document import Document
from contracts.simulator.catalogue import described
from contracts.simulator.connection import ClientLeft, Connection, Receive, Scope, Send
from contracts.simulator.control import control
from contracts.simulator.description import Description
from contracts.simulator.faults import Fault, Faults
from contracts.simulator.faulty import Faulty
from contracts.simulator.log import Entry, Log
from contracts.simulator.performing import Performer, Work
from contracts.simulator.reading import first_problem
from contracts.simulator.state import Body, Clock, State, wall_clock
from contracts.simulator.wire import Answer, Refused, Request

_logger = logging.getLogger(__name__)


class Simulator:
    """A provider in memory, by name: an ASGI application. Its methods are what `/_control/` offers.

    `keys` are public keys (kid to PEM) whose signatures a provider with signed tokens accepts.
    """

    def __init__(
        self,
        provider: str | Description,
        *,
        clock: Clock = wall_clock,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        self.description = provider if isinstance(provider, Description) else described(provider)
        self.document = Document.load(self.description.name)
        self.log: Log = Log()
        self.faults: Faults = Faults()
        self._performer = Performer(self.description, self.document)
        self._clock = clock
        self._keys = dict(keys or {})
        self._tasks: set[asyncio.Task[None]] = set()
        self.state = self._seeded()

    def reset(self) -> None:
        """Back to the seeds: no log, no faults, no tokens, no late writes. Trusted keys stay."""
        self.cancel_late()
        self.faults.clear()
        self.log.clear()
        self.state = self._seeded()

    def add_fault(self, fault: str, **params: Any) -> None:
        """See `contracts.simulator.faults`. ValueError where it makes no sense at this provider."""
        made = Fault.of(fault, **params)
        if made.operation != "*" and made.operation not in self.document.operations:
            raise ValueError(f"{self.description.name} has no operation {made.operation}")
        field = fault.removeprefix("wrong_")
        if field != fault and getattr(self.description.fields, field) is None:
            raise ValueError(f"a payout of {self.description.name} has no {field}")
        self.faults.add(made)

    def seed(
        self,
        payouts: list[Body] | None = None,
        requests: list[Body] | None = None,
        *,
        settings: Body | None = None,
        replace: bool = False,
    ) -> None:
        """Adds records in the provider's own form (same id: replaces it). `replace`: the others go."""
        self._check_records(self.description.payout_schema, payouts or [])
        self._check_records(self.description.request_schema, requests or [])
        for table, bodies in ((self.state.payouts, payouts), (self.state.requests, requests)):
            if replace and bodies is not None:
                table.clear()
            for body in bodies or ():
                table.add(body)
        self.state.change_settings(settings or {})

    def advance(self, seconds: float = 0, *, id: object = None, status: str | None = None) -> None:
        """Moves the provider's clock, or sets one payout to a status that its provider knows."""
        if id is not None or status is not None:
            self._set_status(id, status)
        self.state.advanced += seconds
        self.description.advance(self.state)

    def revoke(self) -> None:
        """No token that was minted is valid any more."""
        self.state.tokens.clear()

    def trust(self, kid: str, pem: str) -> None:
        self._keys[kid] = pem

    def cancel_late(self) -> None:
        for task in self._tasks:
            task.cancel()

    @property
    def violations(self) -> list[Entry]:
        return self.log.violations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(Connection(scope, receive, send))

    async def _serve(self, connection: Connection) -> None:
        head = self._without_base(connection.head())
        try:
            if head.path.startswith("/_control/"):
                await connection.answer(control(self, await connection.whole(head)))
            else:
                await self._log_and_serve(connection, head)
        except ClientLeft:
            _logger.info("the client left before its request was complete")

    def _without_base(self, head: Request) -> Request:
        """The documented base path may be there or not: a base URL is configuration."""
        for base in self.document.base_paths:
            if head.path.startswith(base + "/"):
                return copied(head, path=head.path.removeprefix(base), called=head.path)
        return head

    async def _log_and_serve(self, connection: Connection, head: Request) -> None:
        match = self.document.match(head.method, head.path)
        entry = self.log.open(match[0].id if match else None, head)
        try:
            if match is None:
                await connection.answer(self._unknown(await connection.whole(head)))
            else:
                await self._meet(connection, Work(*match, head, entry))
        finally:
            entry.status = connection.replied

    def _unknown(self, request: Request) -> Answer:
        located = self.document.locate(request.path)
        if located is None:
            return self.description.refuse(Refused(404, "there is no such path"), request)
        allowed = ", ".join(self.document.templates[located[0]])
        refused = Refused(405, "this method is not offered here", {"allow": allowed})
        return self.description.refuse(refused, request)

    async def _meet(self, connection: Connection, work: Work) -> None:
        fault = self.faults.take(work.operation)
        if fault is None or fault.kind != "early_reply":
            work.request = await connection.whole(work.request)
        if fault is None:
            await connection.answer(self._performer.perform(work, self.state))
            return
        work.entry.fault = fault.kind
        faulty = Faulty(self.description, self._performer, self.state, self._later)
        await faulty.meet(connection, work, fault)

    def _later(self, act: Callable[[], object], seconds: float) -> None:
        async def wait_and_act() -> None:
            await asyncio.sleep(seconds)
            act()

        task = asyncio.get_running_loop().create_task(wait_and_act())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _seeded(self) -> State:
        state = State(self._clock, self._keys)
        self.description.seed(state)
        return state

    def _check_records(self, schema: str | None, bodies: list[Body]) -> None:
        if bodies and schema is None:
            raise ValueError(f"{self.description.name} has no such records")
        for body in bodies:
            problem = first_problem(self.document.component_validator(schema or ""), body)
            if problem is not None:
                raise ValueError(f"this is no {schema} of {self.description.name}: {problem}")

    def _set_status(self, id: object, status: str | None) -> None:
        record = self.state.payouts.get(id)
        if record is None:
            raise ValueError(f"there is no payout {id}")
        if status not in self.description.statuses:
            raise ValueError(f"{status} is none of {', '.join(self.description.statuses)}")
        self.description.set_status(self.state, record, status)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
