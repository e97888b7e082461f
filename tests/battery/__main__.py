"""The full batteries: `make battery`, or `python -m tests.battery --only pauses --share 0.1`."""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass
from functools import partial

import click
import msgspec
from rich.console import Console
from rich.progress import Progress as Bar

from tests.battery import fault_table, faults, kills, many, one_key, outages, pauses, schedules
from tests.battery.result import Battery, Result


@dataclass(frozen=True, slots=True)
class Full:
    """One row of the table: what the runs are, how many a full run does, and what does them."""

    title: str
    count: int
    run: Battery


BATTERIES = {
    "schedules": Full("simulated schedules over the state machine", 1_000_000, schedules.run_all),
    "kills-sqlite": Full("kill -9 of a gateway, SQLite", 1000, partial(kills.run, engine="sqlite")),
    "kills-postgres": Full("kill -9 of a gateway, PostgreSQL", 1000, partial(kills.run, engine="postgres")),
    "pauses": Full("SIGSTOP past the lease", 100, pauses.run),
    "one-key": Full("64 clients, one key, three gateways", 1000, one_key.run),
    "many": Full("three gateways, one killed under load", 20, many.run),
    "faults": Full("every fault x every write x before / after", len(fault_table.cells()), faults.run),
    "outages-postgres": Full("PostgreSQL killed under load", 50, outages.run_postgres),
    "outages-redis": Full("Redis killed, flushed, stopped, away under load", 50, outages.run_redis),
}


@click.command()
@click.option("--only", type=click.Choice(list(BATTERIES)), multiple=True, help="Which; without it, all.")
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Of the full counts.")
@click.option("--seed", type=int, help="Repeats what was random in another run.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def main(only: tuple[str, ...], share: float, seed: int | None, as_json: bool) -> None:
    """Run the batteries against real processes. Exits 1 on a violation."""
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    screen = Console(stderr=True)
    screen.print(f"seed {seed}")
    results = {}
    for name in only or BATTERIES:
        results[name] = _run(BATTERIES[name], share, seed, screen)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode({"seed": seed, "results": results})).decode())
    else:
        _show(results)
    sys.exit(any(result.violations for result in results.values()))


def _run(full: Full, share: float, seed: int, screen: Console) -> Result:
    """A battery that breaks off is a violation of its own, and the others still run."""
    count, began = max(1, round(full.count * share)), time.monotonic()
    with Bar(console=screen) as bar:
        task = bar.add_task(full.title, total=count)
        try:
            return full.run(count, seed, lambda done: bar.update(task, completed=done))
        except Exception as error:
            screen.print_exception()
            broken = [f"broke off: {type(error).__name__}: {error}"]
            return Result(name=full.title, runs=0, happened={}, seconds=time.monotonic() - began, violations=broken)


def _show(results: dict[str, Result]) -> None:
    """The README's table."""
    click.echo("| battery | runs | seconds | what happened | violations |\n|---|---:|---:|---|---:|")
    for name, result in results.items():
        happened = ", ".join(f"{what} {times:,}" for what, times in result.happened.items())
        row = (BATTERIES[name].title, f"{result.runs:,}", f"{result.seconds:.0f}", happened)
        click.echo(f"| {' | '.join(row)} | {len(result.violations)} |")
    for name, result in results.items():
        for violation in result.violations[:10]:
            click.echo(f"{name}: {violation}")


if __name__ == "__main__":
    main()
