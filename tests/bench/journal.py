"""`python -m tests.bench.journal`: what the journal alone costs a payout, and what it costs once it holds a million.

Accepts and records payouts as the engine does, without anything around it. In turns: fill up to a size, measure.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import click
import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from gateway.operation import Attempt, Candidate, Observation, Operation, Routing, State
from gateway.store.audit import GATEWAY, Audit
from gateway.store.interface import Store, Transaction
from gateway.store.journal import accept, now, record
from gateway.store.leases import claim_due, free, leased
from gateway.store.opening import open_store
from providers.sdk import Effect, Money, Payee, Payout, PayoutStatus
from tests.bench.rows import machine
from tests.servers import postgres_server

AUDIT = Audit(b"test-audit-key")
CONNECTIONS = ("bank", "desk", "aff", "main")
TOGETHER = 5000  # payouts that the filling puts into one function
LEASE_MS = 60_000
_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_database_size(current_database())",
}
Work = Callable[[Transaction], None]
REQUEST = (
    '{"amount":{"currency":"GBP","minor_units":1023},"description":"commission of October",'
    '"payee":{"account_number":"12345678","name":"Test Payee","sort_code":"040004"},"reference":"%s"}'
)


class Figures(msgspec.Struct):
    """One size. `cpu_us`: processor microseconds of this process per payout, both transactions and all threads."""

    held: int  # operations in the journal when the measuring began
    payouts_per_second: float
    cpu_us: float
    p50_ms: float  # of one transaction
    p99_ms: float
    look_for_due_ms: float  # what the gateway asks every second
    bytes_per_operation: float


@click.command()
@click.option("--url", help="sqlite:///file or postgresql://…; it must be empty. Without it a SQLite file of its own.")
@click.option("--postgresql", is_flag=True, help="On a PostgreSQL server of its own, its files in memory if they fit.")
@click.option("--concurrency", type=int, default=32, show_default=True, help="Payouts under way at once.")
@click.option("--payouts", type=int, default=10_000, show_default=True, help="How many each size is measured with.")
@click.option("--held", "sizes", type=int, multiple=True, default=(10**3, 10**4, 10**5, 10**6), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def main(
    url: str | None, postgresql: bool, concurrency: int, payouts: int, sizes: tuple[int, ...], as_json: bool
) -> None:
    """Measure the journal: `--postgresql --held 1000` for a quick look at the other engine."""
    screen = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        if url is None:
            url = stack.enter_context(_postgresql() if postgresql else _sqlite())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(measured(url, concurrency, payouts, sorted(sizes), screen))
    if as_json:
        found = {"machine": msgspec.json.decode(machine()), "concurrency": concurrency, "figures": figures}
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        show(figures, Console())


@contextlib.contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield f"sqlite:///{folder}/journal.db"


@contextlib.contextmanager
def _postgresql() -> Iterator[str]:
    with postgres_server(max_wal_size="1GB") as server:
        yield server.new_database()


async def measured(url: str, concurrency: int, payouts: int, sizes: list[int], screen: Console) -> list[Figures]:
    store, figures, held = open_store(url), [], 0
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as bar:
        task = bar.add_task("operations", total=sizes[-1] + payouts)
        for size in sizes:
            while held < size:
                await fill(store, min(TOGETHER, size - held))
                held += min(TOGETHER, size - held)
                bar.update(task, completed=held)
            await run(store, concurrency, [works() for _ in range(concurrency * 20)])  # warm
            figures.append(await figures_of(store, held, concurrency, payouts))
            held += concurrency * 20 + payouts
            bar.update(task, completed=held)
    await store.close()
    return figures


async def figures_of(store: Store, held: int, concurrency: int, payouts: int) -> Figures:
    made = [works() for _ in range(payouts)]
    gc.collect()
    gc.freeze()  # or the collector's walks over what was only made beforehand would be counted
    began, spent = time.perf_counter(), time.process_time()
    waits = await run(store, concurrency, made)
    spent, lasted = time.process_time() - spent, time.perf_counter() - began
    cuts = statistics.quantiles(waits, n=100)
    return Figures(
        held=held,
        payouts_per_second=payouts / lasted,
        cpu_us=spent / payouts * 1e6,
        p50_ms=cuts[49] * 1000,
        p99_ms=cuts[98] * 1000,
        look_for_due_ms=await _looked_for_due(store),
        bytes_per_operation=await _size(store) / (held + payouts),
    )


async def run(store: Store, concurrency: int, made: list[tuple[Work, Work]]) -> list[float]:
    """How long each transaction took, in seconds."""
    left, waits = iter(made), list[float]()

    async def client() -> None:
        for both in left:
            for work in both:
                began = time.perf_counter()
                await store.write(work)
                waits.append(time.perf_counter() - began)

    await asyncio.gather(*(client() for _ in range(concurrency)))
    return waits


async def fill(store: Store, payouts: int) -> None:
    for these in zip(*(works() for _ in range(payouts)), strict=True):
        await store.write(lambda tx, these=these: [work(tx) for work in these])  # type: ignore[misc]


def works() -> tuple[Work, Work]:
    """Both transactions of one payout."""
    operation = prepared()
    attempt = Attempt(operation=operation.id, number=1, started_at=operation.created_at)
    after, finished, seen = concluded(operation)
    accepted_at = 0

    def accepting(tx: Transaction) -> None:
        nonlocal accepted_at
        accepted_at = now(tx)
        taken = leased(tx, operation, "test-host:1:0a1b2c3d", LEASE_MS)
        accept(tx, msgspec.structs.replace(taken, accepted_at=accepted_at), attempt)
        AUDIT.append(tx, operation, operation.maker, "accepted")

    def recording(tx: Transaction) -> None:
        recorded = msgspec.structs.replace(after, accepted_at=accepted_at)
        record(tx, recorded, finished, seen)
        AUDIT.append(tx, recorded, GATEWAY, "recorded")

    return accepting, recording


def prepared() -> Operation:
    """A create as the engine prepares it. Key and provider's reference are as random as real ones."""
    at, unique = int(time.time() * 1000), uuid4().hex
    candidates = (Candidate("bank", "taken", "it is the first of the route"), Candidate("desk", "reserve", ""))
    return Operation(
        id=f"op_{at:012x}{unique[:20]}",
        tenant="default",
        maker="billing",
        key=str(uuid4()),
        fingerprint=hashlib.sha256(unique.encode()).hexdigest(),
        action="create",
        kind="payout",
        connection="bank",
        routing=Routing(
            config="0f3b2c1d", route="suppliers", rule="operation is create", chosen="bank", candidates=candidates
        ),
        effect=Effect.CREATE,
        request=REQUEST % f"invoice-{unique[:12]}",
        reference=f"invoice-{unique[:12]}",
        provider_reference=unique[:18].upper(),
        currency="GBP",
        minor_units=1023,
        payee=hashlib.sha256(unique[:2].encode()).hexdigest(),
        carried=("reference", "description"),
        state=State.SENDING,
        attempts=1,
        sent_at=at,
        created_at=at,
        updated_at=at,
    )


def concluded(operation: Operation) -> tuple[Operation, Attempt, Observation]:
    """The operation as a success leaves it, and the evidence."""
    at = operation.created_at + 20
    payout = Payout(
        id=f"po:{operation.id[-20:]}:1",
        status=PayoutStatus.PROCESSING,
        provider_status="INITIATION_PROCESSING",
        amount=Money("GBP", 1023),
        payee=Payee(name="Test Payee"),
        reference=operation.provider_reference,
        created_at="2026-11-01T10:00:00.000Z",
        extensions={"tokenio.ref_id": operation.provider_reference},
    )
    after = msgspec.structs.replace(
        free(operation),
        state=State.SUCCEEDED,
        payout=payout,
        target=payout.id,
        updated_at=at,
        pinned=True,
        accepted_at=at,
    )
    attempt = Attempt(
        operation=operation.id,
        number=1,
        started_at=operation.created_at,
        finished_at=at,
        sent=True,
        http_status=201,
        outcome="answered",
    )
    source = f"operation {operation.id}"
    return after, attempt, Observation(connection="bank", target=payout.id, at=at, source=source, payout=payout)


async def _looked_for_due(store: Store) -> float:
    """Milliseconds; nothing is due."""
    began = time.perf_counter()
    await store.write(lambda tx: claim_due(tx, "test-host:1:0a1b2c3d", 100, LEASE_MS, CONNECTIONS))
    return (time.perf_counter() - began) * 1000


async def _size(store: Store) -> int:
    """Bytes on disk, indexes included."""

    def ask(tx: Transaction) -> int:
        return int(tx.execute(_SIZE[tx.dialect.name])[0][0])

    return await store.read(ask)


def show(figures: list[Figures], screen: Console) -> None:
    table = Table("held", "payouts/s", "CPU us", "x first", "p50 ms", "p99 ms", "due ms", "bytes each")
    for each in figures:
        table.add_row(
            f"{each.held:,}",
            f"{each.payouts_per_second:,.0f}",
            f"{each.cpu_us:.0f}",
            f"{each.cpu_us / figures[0].cpu_us:.2f}",
            f"{each.p50_ms:.2f}",
            f"{each.p99_ms:.2f}",
            f"{each.look_for_due_ms:.2f}",
            f"{each.bytes_per_operation:,.0f}",
        )
    screen.print(table)


if __name__ == "__main__":
    main()
