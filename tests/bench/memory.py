"""What a gateway keeps in memory while its journal grows: `python -m tests.bench.memory --payouts 100000`.

The engine and its journal on disk are the real ones; the provider's answers are made in this process.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import click
import httpx
import msgspec
import psutil
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.config import parse
from gateway.engine.intent import Charge, CreateBody
from gateway.engine.reloading import opened
from gateway.engine.service import Gateway
from gateway.keys import SCOPES, Caller
from gateway.operation import State
from gateway.upstream.transport import STARTED
from providers.sdk import PayeeAccount
from tests.bench.rows import secrets_in
from tests.bench.stub import answered

AT_ONCE = 32
FIRST = 1000  # payouts after which everything that is made once has been made
FLAT = 1.1  # how much a size may exceed that after a tenth of the payouts


class Size(msgspec.Struct):
    """After so many payouts: megabytes of the process, objects that Python counts, megabytes of journal."""

    payouts: int
    rss_mb: float
    pss_mb: float
    objects: int
    tasks: int
    journal_mb: float
    seconds: float


@click.command()
@click.option("--payouts", type=click.IntRange(FIRST), default=1_000_000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def main(payouts: int, as_json: bool) -> None:
    """Initiate many payouts in one process, and weigh it on the way. Exits 1 where it grows with its journal."""
    with (
        tempfile.TemporaryDirectory(prefix="memory-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        sizes = runner.run(_measured(Path(folder), payouts))
    if as_json:
        click.echo(msgspec.json.encode(sizes))
    else:
        _show(sizes)
    sys.exit(grows(sizes))


def grows(sizes: list[Size]) -> bool:
    before, last = sizes[-2:]
    return last.pss_mb > FLAT * before.pss_mb


def _show(sizes: list[Size]) -> None:
    table = Table("payouts", "RSS MB", "PSS MB", "objects", "tasks", "journal MB", "seconds")
    for each in sizes:
        table.add_row(*(f"{value:,.0f}" for value in msgspec.structs.astuple(each)))
    Console().print(table)


async def _measured(folder: Path, payouts: int) -> list[Size]:
    marks = [*itertools.takewhile(lambda mark: mark < payouts, (FIRST * 10**power for power in range(9))), payouts]
    numbers, began, sizes = iter(range(payouts)), time.monotonic(), []
    columns = TextColumn("payouts"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    async with _gateway(folder) as gateway:
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task, done = bar.add_task("payouts", total=payouts), 0
            for mark in marks:
                part = itertools.islice(numbers, mark - done)
                await asyncio.gather(*(_pay(gateway, part, lambda: bar.advance(task)) for _ in range(AT_ONCE)))
                done = mark
                sizes.append(_size(gateway, folder, done, time.monotonic() - began))
                bar.console.print(f"{done:,} payouts: {sizes[-1].pss_mb:.0f} MB PSS")
    return sizes


async def _pay(gateway: Gateway, numbers: Iterator[int], done: Callable[[], object]) -> None:
    for number in numbers:
        caller = Caller(f"test-caller-{number}", f"test-tenant-{number % 10}", frozenset(SCOPES))
        body = CreateBody(
            reference=f"invoice-{number}",
            amount=Charge("GBP", 1 + number),
            payee=PayeeAccount(name="Test Supplier", account_number=f"{number:08}", sort_code="601613"),
            description=f"Invoice {number}",
        )
        accepted = await gateway.writer.create(caller, f"key-{number}", body)
        settled = await gateway.writer.settle(accepted.operation, 60)
        assert settled.operation.state is State.SUCCEEDED, settled.operation
        done()


@asynccontextmanager
async def _gateway(folder: Path) -> AsyncIterator[Gateway]:
    secrets_in(folder)
    word, pem = f"file:{folder}/word", f"file:{folder}/pem"
    bank = {
        "provider": "tokenio",
        "base_url": "http://127.0.0.1:1",
        "credentials": {"member_id": word, "key_id": word, "private_key": pem},
        "settings": {"debtor_account_id": "test-settlement-account-1"},
    }
    raw = {
        "journal": {"url": f"sqlite:///{folder}/journal.db"},
        "connections": {"bank": bank},
        "routes": [{"name": "suppliers", "when": {"operation": ["create"]}, "to": ["bank"]}],
    }
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(opened(parse(raw)))
        service.current.connections["bank"].upstream.transport = _Bank()
        yield service.current


class _Bank(httpx.AsyncBaseTransport):
    """Token.io as the benchmarks have it, without a socket."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.extensions["trace"](STARTED, {})
        _, _, body = answered((request.method.encode(), request.content)).partition(b"\r\n\r\n")
        return httpx.Response(200, headers={"content-type": "application/json"}, content=body, request=request)


def _size(gateway: Gateway, folder: Path, payouts: int, seconds: float) -> Size:
    gc.collect()
    memory = psutil.Process().memory_full_info()
    journal = sum(file.stat().st_size for file in folder.glob("journal.db*"))
    return Size(
        payouts=payouts,
        rss_mb=memory.rss / 1e6,
        pss_mb=memory.pss / 1e6,
        objects=len(gc.get_objects()),
        tasks=len(gateway.runner.tasks),
        journal_mb=journal / 1e6,
        seconds=seconds,
    )


if __name__ == "__main__":
    main()
