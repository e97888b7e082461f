"""What the batteries of processes share: a `Site` is one journal with its simulated providers.

The providers live in the battery's own process and so survive every gateway. Each write is on a payout of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from contracts.simulator.server import RunningSimulator
from gateway.operation import Operation, State
from gateway.store.audit import Audit
from gateway.store.interface import Transaction
from gateway.store.opening import open_read_only
from gateway.store.questions import list_operations
from tests.battery.callers import Answers, Client, Job, calling
from tests.battery.checker import Execution, Move, Told, Violation, chain, check, executions_of_log, stuck
from tests.battery.gateways import FAST, PATIENCE, PRODUCT, GatewayProcess, TooLate, begun, until
from tests.conftest import four_simulators, order, raw_config

__all__ = [
    "FAST",
    "PATIENCE",
    "PRODUCT",
    "WRITES",
    "Client",
    "GatewayProcess",
    "Job",
    "Site",
    "TooLate",
    "begun",
    "calling",
    "held_by",
    "make_slow",
    "site",
    "toml_of",
    "until",
]

T = TypeVar("T")
TIMEOUT = 1.0  # seconds; of every connection
AUDIT_KEY = "test-audit-key"
# What each kind of write is called: by us, and in the provider's contract.
WRITES = {
    "create": ("bank", "create", "create_payout"),
    "guarded": ("sway", "complete", "complete_payout"),
    "convergent": ("promo", "complete", "update_payout"),
}
NAMES = {connection: {action: name} for connection, action, name in WRITES.values()}
SEED_OF = {"sway": ("42", 10_000_000), "promo": ("2710287", 30_000_000)}  # which payout to copy, and the first new id


@dataclass
class Site:
    """One journal, its providers, and the file that configures gateways over both."""

    journal: str
    config: Path
    simulators: dict[str, RunningSimulator]
    began: float  # epoch milliseconds when the providers' logs began
    answers: Answers = field(default_factory=Answers)
    gateways: list[GatewayProcess] = field(default_factory=list)
    made: int = 0

    def gateway(self, module: str = PRODUCT, workers: int = 1, **environment: str) -> GatewayProcess:
        """One more gateway, ended with the site at the latest."""
        made = GatewayProcess(self.config, module, workers, **environment)
        self.gateways.append(made)
        return made

    def job(self, kind: str, prefix: str = "") -> Job:
        """A write of its own: a new reference, or a mark on a payout that only it touches."""
        self.made += 1
        key, (connection, action, _) = f"{prefix}{kind}-{self.made}", WRITES[kind]
        if kind == "create":
            money = {"currency": "GBP", "minor_units": 1000 + self.made}
            return Job(key, connection, "/v1/payouts", order(f"invoice-{prefix}{self.made}", amount=money))
        like, first = SEED_OF[connection]
        simulator = self.simulators[connection].simulator
        record = simulator.state.payouts.get(like)
        assert record is not None, like
        id = first + self.made
        simulator.seed([{**record.body, "id": id}])
        body = {"reference": f"TXN-{prefix}{self.made}"} if kind == "guarded" else {}
        return Job(key, connection, f"/v1/payouts/{connection}:{id}/{action}", body)

    def fault(self, kind: str, fault: str, **more: Any) -> None:
        connection, _, operation = WRITES[kind]
        self.simulators[connection].simulator.add_fault(fault, operation=operation, **more)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """What the journal says, whoever runs on it or has been killed on it."""
        store = open_read_only(self.journal)
        try:
            return await store.read(work)
        finally:
            await store.close()

    async def left_sending(self) -> set[tuple[str, int]]:
        """Which attempts are, or were when the gateway was killed, under way."""
        return {(each.id, each.attempts) for each in await self.read(left_sending)}

    async def operations(self) -> list[Operation]:
        """The oldest first."""
        return await self.read(lambda tx: list_operations(tx, None, limit=10**7)[::-1])

    async def at_rest(self, seconds: float = PATIENCE, ended: bool = False) -> None:
        """Waits until nothing is sent or due; `ended`: until nothing is open but what waits for a person."""
        more = " OR state IN ('accepted', 'unknown')" if ended else ""

        async def rests() -> bool:
            sql = f"SELECT COUNT(*) FROM operation WHERE state = 'sending' OR due_at <= ?{more}"  # noqa: S608
            return await self.read(lambda tx: tx.execute(sql, (_now(),))[0][0] == 0)

        await until(rests, seconds, "a journal at rest", 0.1)

    async def drained(self) -> None:
        """Ends all gateways in good order: what they still knew is recorded then."""
        await asyncio.gather(*(asyncio.to_thread(each.stop) for each in self.gateways))

    def executions(self, operations: list[Operation]) -> list[Execution]:
        """What the providers really did, in the journal's own time."""
        found = []
        for connection, names in NAMES.items():
            log = [entry.as_json() for entry in self.simulators[connection].simulator.log]
            found += executions_of_log(connection, log, operations, names)
        return [msgspec.structs.replace(each, at=int(each.at + self.began)) for each in found]

    async def violations(self) -> list[Violation | str]:
        """What the checker finds once the gateways have come to rest."""
        operations = await self.operations()
        moves = await self.read(moves_of)
        _, broken = await self.read(Audit(AUDIT_KEY.encode()).verify)
        found: list[Violation | str] = [
            *check(
                operations,
                self.executions(operations),
                accepted={f"default/{key}/" for key in self.answers.operations},
                moves=moves,
                told=[Told(id, state) for id, state in self.answers.told],
            ),
            *stuck(operations, _now(), _now()),
            *chain(broken),
            *unaudited(operations, moves),
            *self.answers.violations(),
        ]
        wrong = [entry.violation for each in self.simulators.values() for entry in each.simulator.violations]
        return found + [f"a simulator is wrong: {each}" for each in wrong]


def moves_of(tx: Transaction) -> list[Move]:
    """Every change of state that the audit log holds."""
    last: dict[str, State] = {}
    moves = []
    for id, state, at in tx.execute("SELECT operation, state, at FROM audit ORDER BY tenant, seq"):
        after = State(state)
        moves.append(Move(id, last.get(id, State.ACCEPTED), after, at))
        last[id] = after
    return moves


def unaudited(operations: list[Operation], moves: list[Move]) -> Iterator[str]:
    """Where the journal shows another state than its audit log: a change that nobody committed as one."""
    last = {move.operation: move.after for move in moves}
    for each in operations:
        if last.get(each.id) is not each.state:
            yield f"unaudited: {each.id} is {each.state}, its audit log ends with {last.get(each.id)}"


async def held_by(place: Site, pid: int) -> set[tuple[str, int]]:
    """The sends that this process has the lease of; its owner's name holds its process id."""

    def held(tx: Transaction) -> set[tuple[str, int]]:
        sql = "SELECT id, attempts FROM operation WHERE state = 'sending' AND lease_owner LIKE ?"
        return {(id, attempts) for id, attempts in tx.execute(sql, (f"%:{pid}:%",))}

    return await place.read(held)


def left_sending(tx: Transaction) -> list[Operation]:
    """What is being sent, or was when its gateway died."""
    return list_operations(tx, None, states=[State.SENDING], limit=100_000)


@contextlib.asynccontextmanager
async def site(
    journal: Callable[[Path], str], lease: int = 16, redis: str | None = None, sends_within: float = TIMEOUT
) -> AsyncIterator[Site]:
    """A fresh journal over fresh providers. `journal` makes its URL, given a folder."""
    with tempfile.TemporaryDirectory(prefix="battery-") as name:
        folder = Path(name)
        began = time.time() * 1000
        async with four_simulators() as simulators:
            made = Site(journal(folder), folder / "gateway.toml", simulators, began)
            made.config.write_text(toml_of(_config(made, folder, lease, redis, sends_within)))
            try:
                yield made
            finally:
                for gateway in made.gateways:
                    gateway.kill()


def make_slow(site: Site, rng: random.Random, times: int, most: float = 0.6) -> None:
    """The next writes are executed at once or later, and answered after a while."""
    for _ in range(times):
        for kind in WRITES:
            seconds, when = rng.uniform(0.01, most), rng.choice(("before", "after"))
            site.fault(kind, "delay", seconds=seconds, when=when)


def _config(site: Site, folder: Path, lease: int, redis: str | None, sends_within: float) -> dict[str, Any]:
    raw = raw_config(site.simulators, folder)
    (folder / "audit_key").write_text(AUDIT_KEY)
    raw["journal"] = {"url": site.journal}
    raw["operations"] = {"lease": lease, "lookup_window": 60}
    raw["audit"] = {"key": f"file:{folder}/audit_key"}
    for connection in raw["connections"].values():
        connection["timeout"] = sends_within
    return raw | ({"redis": {"url": redis}} if redis else {})


def _now() -> int:
    return int(time.time() * 1000)


def toml_of(raw: dict[str, Any]) -> str:
    """A config as TOML: tables of plain values, JSON being TOML for those."""
    lines: list[str] = []
    for name, value in raw.items():
        if isinstance(value, dict) and name != "connections":
            lines += [f"[{name}]", *(f"{key} = {_inline(each)}" for key, each in value.items())]
        elif isinstance(value, dict):
            for each, settings in value.items():
                lines += [f"[{name}.{each}]", *(f"{key} = {_inline(item)}" for key, item in settings.items())]
        else:
            for each in value:
                lines += [f"[[{name}]]", *(f"{key} = {_inline(item)}" for key, item in each.items())]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)
