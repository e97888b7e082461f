"""`payout-gateway contracts requests` and `contracts fuzz`: asks and replies at random, from a seed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from gateway.conformance.fuzz import run_fuzz
from gateway.conformance.report import Failure
from gateway.conformance.requests import SEED, run_requests
from gateway.conformance.subject import Subject, SubjectInvalid
from gateway.plugins import installed

STEP = 100  # the bar moves; drawing it at each would take longer than the work
SHOWN = 20  # failures of each provider that people see; --json gives all

REQUESTS_EXAMPLES = """\b
Examples:
  payout-gateway contracts requests                        10,000 asks to every installed provider
  payout-gateway contracts requests tokenio --count 500    fewer, to one
  payout-gateway contracts requests tokenio --only 314     one of them again
"""
FUZZ_EXAMPLES = """\b
Examples:
  payout-gateway contracts fuzz                            100,000 broken replies to every installed provider
  payout-gateway contracts fuzz ledger --seed 7            others, to one
  payout-gateway contracts fuzz ledger --seed 7 --only 42  one of them again
"""


class Outcome(Protocol):
    """What a run found."""

    provider: str
    failures: list[Failure]
    seconds: float

    @property
    def total(self) -> int: ...

    @property
    def counts(self) -> Mapping[str, int]: ...


Run = Callable[..., Outcome]


def _random(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options that both commands take."""
    options = (
        click.argument("providers", nargs=-1),
        click.option("--count", type=click.IntRange(1), default=default, show_default=True, help="How many."),
        click.option("--seed", type=click.IntRange(0), default=SEED, show_default=True, help="Another seed, others."),
        click.option("--only", type=click.IntRange(0), metavar="NUMBER", help="Put the one with this number again."),
        click.option("--json", "as_json", is_flag=True, help="For machines."),
    )

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.command(epilog=REQUESTS_EXAMPLES)
@_random(10_000)
def requests(providers: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Ask each PROVIDER for things at random: refused in time, or sent as documented. Exits 1 on a failure."""
    _run(run_requests, providers, as_json, **options)


@click.command(epilog=FUZZ_EXAMPLES)
@_random(100_000)
def fuzz(providers: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Break replies to each PROVIDER at random: read as documented, or refused. Exits 1 on a failure."""
    _run(run_fuzz, providers, as_json, **options)


def _run(run: Run, providers: tuple[str, ...], as_json: bool, count: int, seed: int, only: int | None) -> None:
    try:
        subjects = [Subject.installed(name) for name in providers or installed()]
        with Progress(console=Console(stderr=True), transient=True, disable=as_json) as progress:
            found = [_one(run, subject, count, seed, only, progress) for subject in subjects]
    except SubjectInvalid as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps([_as_json(each, seed) for each in found], indent=2))
    else:
        _show(found, seed)
    sys.exit(1 if any(each.failures or not each.total for each in found) else 0)


def _one(run: Run, subject: Subject, count: int, seed: int, only: int | None, progress: Progress) -> Outcome:
    bar = progress.add_task(subject.name, total=count)

    def hear(done: int) -> None:
        if done % STEP == 0 or done == count:
            progress.update(bar, completed=done)

    return run(subject, count, seed=seed, only=only, progress=hear)


def _as_json(found: Outcome, seed: int) -> dict[str, Any]:
    failures = [{"case": each.case, "expected": each.expected, "got": each.got} for each in found.failures]
    counts, seconds = dict(found.counts), round(found.seconds, 2)
    return {"provider": found.provider, "seed": seed, **counts, "seconds": seconds, "failures": failures}


def _show(found: list[Outcome], seed: int) -> None:
    console = Console(highlight=False)
    for each in found:
        for failure in each.failures[:SHOWN]:
            console.print(f"{each.provider} {failure.case} --seed {seed}", style="bold red", markup=False)
            console.print(f"  given {failure.expected}\n  {failure.got}", markup=False)
    table = Table(Column("provider", no_wrap=True), "put", "of these", "failures", "seconds", "verdict")
    for each in found:
        became = ", ".join(f"{count:,} {name}" for name, count in sorted(each.counts.items()))
        verdict = "FAILED" if each.failures or not each.total else "passed"
        table.add_row(
            each.provider, f"{each.total:,}", became, f"{len(each.failures):,}", f"{each.seconds:.1f}", verdict
        )
    console.print(table)
