"""`make bench`, or `python -m tests.bench --only gateway --only litestar-httpx --concurrency 32`."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import uvloop
from rich.console import Console
from rich.progress import Progress

from tests.bench import rows
from tests.bench.figures import GATEWAY, UNJOURNALED, Figures, Run
from tests.bench.load import Sample, loaded
from tests.bench.rows import Place, Row
from tests.bench.table import show

READ, LIST = b"/v1/payouts/bank:po:bench0:stub", b"/v1/payouts?connection=bank&limit=10"
ROWS: dict[str, Callable[[Place], Row | None]] = {
    GATEWAY: lambda place: rows.gateway(GATEWAY, place, f"sqlite:///{place.folder}/journal.db"),
    UNJOURNALED: lambda place: rows.gateway(
        UNJOURNALED, place, f"sqlite:///{place.folder}/none.db", module="tests.bench.without_journal"
    ),
    "gateway-1-worker": lambda place: rows.over_servers("gateway-1-worker", place, 1),
    "gateway-2-workers": lambda place: rows.over_servers("gateway-2-workers", place, 2),
    **{name: lambda place, name=name: rows.handler(name, place) for name in rows.HANDLERS},  # type: ignore[misc]
    "nginx": rows.nginx,
}
READS = {"gateway, read": READ, "gateway, list": LIST}  # asked of the gateway as well


class Once(NamedTuple):
    """One run of one row. `other_busy`: how busy the other core was, from 0 to 1."""

    sample: Sample
    cpu_us: float
    other_busy: float


@click.command()
@click.option("--only", type=click.Choice(list(ROWS)), multiple=True, help="Which rows; without it, all, and reads.")
@click.option("--concurrency", "levels", type=int, multiple=True, default=(1, 32, 256), show_default=True)
@click.option("--delay", "delays", type=float, multiple=True, default=(0.0, 50.0), help="Of the upstream, in ms.")
@click.option("--seconds", type=float, default=2.0, show_default=True, help="Of each run.")
@click.option("--repeats", type=int, default=3, show_default=True, help="How often each row runs, in turns.")
@click.option("--json", "output", type=click.Path(path_type=Path), help="Also write the figures here.")
def main(
    only: tuple[str, ...],
    levels: tuple[int, ...],
    delays: tuple[float, ...],
    seconds: float,
    repeats: int,
    output: Path | None,
) -> None:
    """Measure the gateway beside what people write today, in turns. Exits 1 where an answer was wrong."""
    rows.pin([rows.OTHER_CORE])  # the load, the stub and the servers
    names, figures = only or tuple(ROWS), []
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("bench", total=None)
        for number, delay in enumerate(delays):
            with opened(names, delay) as (made, key):
                each = len(made) * len(levels) * repeats
                bar.update(task, total=each * len(delays), completed=each * number)
                for level in levels:
                    runs = measured(made, key, level, seconds, repeats, lambda: bar.advance(task))
                    figures += [figures_of(row, level, delay, samples) for row, samples in runs.items()]
    run = Run(figures)
    show(run, Console(width=None if sys.stdout.isatty() else 120))
    if output is not None:
        output.write_bytes(written(run))
    sys.exit(any(each.wrong for each in figures))


@contextlib.contextmanager
def opened(names: tuple[str, ...], delay: float) -> Iterator[tuple[list[Row], str]]:
    """Every row's process, over one stub."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stub, port = rows.stub(delay)
        stack.callback(stub.wait)
        stack.callback(stub.terminate)
        place = Place(folder, port, rows.secrets_in(folder))
        made = []
        for name in names:
            row = ROWS[name](place)
            if row is None:
                click.echo(f"{name} is not on this machine: its row is left out", err=True)
                continue
            stack.callback(row.stop)
            made.append(row)
            if name == GATEWAY and names == tuple(ROWS):
                made += [row.asked(each, path) for each, path in READS.items()]
        yield made, place.key


def measured(
    made: list[Row], key: str, level: int, seconds: float, repeats: int, done: Callable[[], object]
) -> dict[Row, list[Once]]:
    """In turns: A B A B. The first short run of each warms it up and is not counted."""
    runs: dict[Row, list[Once]] = {row: [] for row in made}
    for row in made:
        once(row, key, level, 0.5)
    for _ in range(repeats):
        for row in made:
            runs[row].append(once(row, key, level, seconds))
            done()
    return runs


def once(row: Row, key: str, level: int, seconds: float) -> Once:
    before, other_before, began = row.cpu(), rows.other_core(), time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sample, shown = runner.run(loaded(row.port, row.question, key, level, seconds))
    if sample.wrong:
        click.echo(f"{row.name}: {sample.wrong} wrong answers, one of them {shown[:500]!r}", err=True)
    cpu_us = (row.cpu() - before) / sample.answers * 1e6
    return Once(sample, cpu_us, (rows.other_core() - other_before) / (time.perf_counter() - began))


def figures_of(row: Row, level: int, delay: float, runs: list[Once]) -> Figures:
    def median(name: str) -> float:
        return statistics.median(getattr(each.sample, name) for each in runs)

    return Figures(
        row=row.name,
        clients=level,
        delay_ms=delay,
        rps=median("rps"),
        p50_ms=median("p50"),
        p99_ms=median("p99"),
        cpu_us=statistics.median(each.cpu_us for each in runs),
        pss_mb=row.megabytes(),
        ready_s=row.ready_after,
        load_busy=median("busy"),
        other_busy=statistics.median(each.other_busy for each in runs),
        wrong=sum(each.sample.wrong for each in runs),
        repeats=[round(each.sample.rps) for each in runs],
    )


def written(run: Run) -> bytes:
    """For machines, and for the next run to be compared with."""
    goals = [{**msgspec.structs.asdict(goal), "met": goal.met} for goal in run.goals()]
    found = {"machine": rows.machine(), "at": datetime.now(UTC), "goals": goals, "figures": run.figures}
    return msgspec.json.format(msgspec.json.encode(found)) + b"\n"


if __name__ == "__main__":
    main()
