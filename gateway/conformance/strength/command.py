"""`payout-gateway contracts strength`: how many faults the contract tests miss."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.conformance.report import Report
from gateway.conformance.requests import run_requests
from gateway.conformance.running import run
from gateway.conformance.strength.bench import Bench, Origin
from gateway.conformance.strength.judging import Judgement, Work, judged
from gateway.conformance.strength.measuring import Measured, measured
from gateway.conformance.strength.mutant import Family
from gateway.conformance.strength.status import HEAD, published, read, row, write
from gateway.conformance.strength.suite import ASKS
from gateway.conformance.strength.survivors import SurvivorsInvalid
from gateway.conformance.subject import Subject, SubjectInvalid
from gateway.plugins import CONTRACTS, installed

README = Path("README.md")


@click.command()
@click.argument("providers", nargs=-1, metavar="[PROVIDER]...")
@click.option(
    "--contract", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The contract's folder."
)
@click.option(
    "--only", type=click.Choice([str(family) for family in Family]), help="One kind of faults; writes nothing."
)
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def strength(
    providers: tuple[str, ...], contract: Path | None, only: str | None, processes: int, as_json: bool
) -> None:
    """Measure how strong the contract tests are: put faults into plugins, and count the ones that are missed.

    Writes status.json beside each contract and, in a checkout, the table of the README. Fails if a fault in a table
    or a known mistake is missed, or if a change of the source survives and survivors.yaml does not say why it may.

    \b
    payout-gateway contracts strength
    payout-gateway contracts strength heldsway --only table
    payout-gateway contracts strength my_package:MyPlugin --contract path/to/folder
    """
    families = (Family(only),) if only else tuple(Family)
    if Family.SOURCE in families and find_spec("mutmut") is None:
        raise click.ClickException("mutmut is not installed; it comes with payout-gateway[dev], or choose --only table")
    origins = [Origin(name, contract) for name in providers or installed()]
    try:
        results = _measure(origins, families, processes, quiet=as_json)
    except (SubjectInvalid, SurvivorsInvalid) as error:
        raise click.ClickException(str(error)) from None
    if only is None:
        _write(results)
    _show(results, as_json)
    if not all(result.passed for result in results):
        raise SystemExit(1)


def _measure(origins: Sequence[Origin], families: tuple[Family, ...], processes: int, quiet: bool) -> list[Measured]:
    subjects = {origin: origin.subject() for origin in origins}
    reports = {origin: _unchanged(subject) for origin, subject in subjects.items()}
    benches = {origin: Bench.of(subject, families) for origin, subject in subjects.items()}
    work = [Work(origin, families, range(len(bench.mutants))) for origin, bench in benches.items()]
    found = _judged(work, processes, quiet)
    return [measured(benches[each], reports[each], found[each], each.folder) for each in origins]


def _unchanged(subject: Subject) -> Report:
    """What the suite says of the plugin as it is; where it complains, nothing can be measured."""
    report = run(subject)
    failures = report.failures or run_requests(subject, ASKS).failures
    if failures:
        first = failures[0].case
        raise click.ClickException(f"{report.provider} fails its tests as it is, first at {first}: mend that first")
    return report


def _judged(work: Sequence[Work], processes: int, quiet: bool) -> dict[Origin, list[Judgement]]:
    found: dict[Origin, list[Judgement]] = {each.origin: [] for each in work}
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bars = {each.origin: progress.add_task(each.origin.spec, total=len(each.numbers)) for each in work}
        for origin, judgements in judged(work, processes):
            found[origin] += judgements
            progress.advance(bars[origin], len(judgements))
    return found


def _write(results: Sequence[Measured]) -> None:
    for result in results:
        write(result.folder, result.status)
    if README.is_file():
        statuses = [read(file.parent) for file in sorted(CONTRACTS.glob("*/status.json"))]
        README.write_text(published(README.read_text("utf-8"), statuses), "utf-8")


def _show(results: Sequence[Measured], as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode([result.status for result in results]))
        return
    table = Table(*HEAD)
    for result in results:
        table.add_row(*row(result.status))
    Console().print(table)
    for result in results:
        _complain(result)


def _complain(result: Measured) -> None:
    said = {
        "missed": result.missed,
        "survived, and survivors.yaml does not say why": result.doubts.unexplained,
        "explained in survivors.yaml, and noticed": result.doubts.outdated,
    }
    for what, names in said.items():
        for name in names:
            click.echo(f"{result.status.provider}: {what}: {name}", err=True)
