"""`make bench`, or `python -m tests.bench --only gateway --only litestar-httpx --concurrency 32`."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.bench import rows
from tests.bench.load import Sample, loaded

BASE = "litestar-httpx"
ROWS: dict[str, Callable[[Path, int, str], rows.Row | None]] = {
    "gateway": lambda folder, stub, key: rows.gateway("gateway", folder, stub, key, f"sqlite:///{folder}/journal.db"),
    "litestar-httpx": lambda folder, stub, key: rows.handler("litestar-httpx", folder, stub),
    "fastapi-httpx": lambda folder, stub, key: rows.handler("fastapi-httpx", folder, stub),
    "litestar-aiohttp": lambda folder, stub, key: rows.handler("litestar-aiohttp", folder, stub),
    "nginx": lambda folder, stub, key: rows.nginx(folder, stub),
}


class Figures(msgspec.Struct):
    """One row at one concurrency. `cpu_us`: processor microseconds per answer, of the process's own accounting."""

    row: str
    concurrency: int
    delay_ms: float
    rps: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    pss_mb: float
    ready_s: float
    wrong: int
    repeats: list[float]


@click.command()
@click.option("--only", type=click.Choice(list(ROWS)), multiple=True, help="Which rows; without it, all.")
@click.option("--concurrency", "levels", type=int, multiple=True, default=(1, 32, 256), show_default=True)
@click.option("--delay", "delays", type=float, multiple=True, default=(0.0, 50.0), help="Of the upstream, in ms.")
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Of each run.")
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
    """Measure the gateway beside what people write today, in turns."""
    screen, figures = Console(stderr=True), []
    with Progress(console=screen) as bar:
        names = only or tuple(ROWS)
        task = bar.add_task("bench", total=len(names) * len(levels) * len(delays) * repeats)
        for delay in delays:
            with opened(names, delay) as (made, key):
                for level in levels:
                    runs = measured(made, key, level, seconds, repeats, lambda: bar.advance(task))
                    figures += [figures_of(row, level, delay, samples) for row, samples in runs.items()]
    show(figures, Console())
    if output is not None:
        found = {"machine": msgspec.json.decode(rows.machine()), "at": datetime.now(UTC).date(), "figures": figures}
        output.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    sys.exit(any(each.wrong for each in figures))


@contextlib.contextmanager
def opened(names: tuple[str, ...], delay: float) -> Iterator[tuple[list[rows.Row], str]]:
    """Every row's process, over one stub."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        stub, port = rows.stub(delay)
        stack.callback(stub.wait)
        stack.callback(stub.terminate)
        key = rows.secrets_in(folder)
        made = []
        for name in names:
            row = ROWS[name](folder, port, key)
            if row is None:
                click.echo(f"{name} is not on this machine: its row is left out", err=True)
                continue
            stack.callback(row.stop)
            made.append(row)
        yield made, key


def measured(
    made: list[rows.Row], key: str, level: int, seconds: float, repeats: int, done: Callable[[], object]
) -> dict[rows.Row, list[tuple[Sample, float]]]:
    """In turns: A B A B. The first short run of each warms it up and is not counted."""
    runs: dict[rows.Row, list[tuple[Sample, float]]] = {row: [] for row in made}
    for row in made:
        once(row, key, level, 0.5)
    for _ in range(repeats):
        for row in made:
            runs[row].append(once(row, key, level, seconds))
            done()
    return runs


def once(row: rows.Row, key: str, level: int, seconds: float) -> tuple[Sample, float]:
    before = row.cpu()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sample, shown = runner.run(loaded(row.port, key, level, seconds))
    if sample.wrong:
        click.echo(f"{row.name}: {sample.wrong} wrong answers, one of them {shown[:500]!r}", err=True)
    return sample, (row.cpu() - before) / sample.answers * 1e6


def figures_of(row: rows.Row, level: int, delay: float, runs: list[tuple[Sample, float]]) -> Figures:
    def median(name: str) -> float:
        return statistics.median(getattr(sample, name) for sample, _ in runs)

    return Figures(
        row=row.name,
        concurrency=level,
        delay_ms=delay,
        rps=median("rps"),
        p50_ms=median("p50"),
        p99_ms=median("p99"),
        cpu_us=statistics.median(cpu for _, cpu in runs),
        pss_mb=row.megabytes(),
        ready_s=row.ready_after,
        wrong=sum(sample.wrong for sample, _ in runs),
        repeats=[round(sample.rps) for sample, _ in runs],
    )


def show(figures: list[Figures], screen: Console) -> None:
    heads = (
        "row",
        "clients",
        "upstream ms",
        "rps",
        f"x {BASE}",
        "p50 ms",
        "p99 ms",
        "CPU us",
        "PSS MB",
        "ready s",
        "wrong",
    )
    table = Table(*heads)
    base = {(each.delay_ms, each.concurrency): each.rps for each in figures if each.row == BASE}
    for each in figures:
        against = base.get((each.delay_ms, each.concurrency))
        table.add_row(
            each.row,
            str(each.concurrency),
            f"{each.delay_ms:g}",
            f"{each.rps:.0f}",
            f"{each.rps / against:.2f}" if against else "-",
            f"{each.p50_ms:.2f}",
            f"{each.p99_ms:.2f}",
            f"{each.cpu_us:.0f}",
            f"{each.pss_mb:.0f}",
            f"{each.ready_s:.2f}",
            str(each.wrong),
        )
    screen.print(table)


if __name__ == "__main__":
    main()
