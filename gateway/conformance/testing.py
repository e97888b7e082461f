"""`payout-gateway contracts test`."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from contracts.agreement import disagreements
from contracts.cases import Family, NoCall, NotUnderstood, generate
from contracts.scenarios import ScenariosInvalid
from gateway.conformance.live import Asked
from gateway.conformance.living import run_and_show
from gateway.conformance.report import Report, causes
from gateway.conformance.running import run
from gateway.conformance.simulated import add_scenarios
from gateway.conformance.subject import Subject, SubjectInvalid
from gateway.plugins import installed

EXAMPLES = """\b
Examples:
  payout-gateway contracts test                        every installed provider, offline
  payout-gateway contracts test heldsway --json        one provider, for machines
  payout-gateway contracts test heldsway --only ID     one case again
  payout-gateway contracts test --live --require ledger
      the scenarios at each provider whose PAYOUT_LIVE_<PROVIDER>_<FIELD> and ..._BASE_URL are set; reads only
  payout-gateway contracts test tokenio --live --base-url https://api.sandbox.token.io --writes
"""
SHOWN = 20  # causes of one provider's failures


@click.command(epilog=EXAMPLES)
@click.argument("providers", nargs=-1)
@click.option("--only", metavar="ID", help="Run the one case with this id.")
@click.option("--live", is_flag=True, help="The scenarios at the real provider, instead of the offline suite.")
@click.option("--base-url", metavar="URL", help="Live: where the provider is, instead of ..._BASE_URL.")
@click.option("--writes", is_flag=True, help="Live: run what writes, too.")
@click.option("--allow-production", is_flag=True, help="Live: accept a host that the contract names as production.")
@click.option("--require", "required", multiple=True, metavar="PROVIDER", help="Live: UNVERIFIED fails for it.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def test(
    providers: tuple[str, ...],
    only: str | None,
    live: bool,
    base_url: str | None,
    writes: bool,
    allow_production: bool,
    required: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run the offline suite on each PROVIDER, or on all that are installed. Exits 1 on a failure."""
    if not live and (base_url or writes or allow_production or required):
        raise click.UsageError("--base-url, --writes, --allow-production and --require are for --live")
    try:
        subjects = [Subject.installed(name) for name in providers or installed()]
        if live:
            run_and_show(subjects, Asked(base_url, writes, allow_production), required, as_json=as_json)
        reports = _run(subjects, only)
    except (SubjectInvalid, NotUnderstood, NoCall, ScenariosInvalid) as error:
        raise click.ClickException(str(error)) from None
    if only and not any(report.total for report in reports):
        raise click.ClickException(f"no case has the id {only!r}; --json without --only lists those that fail")
    if as_json:
        click.echo(json.dumps([report.as_json() for report in reports], indent=2))
    else:
        _show(reports, only)
    sys.exit(0 if all(_is_good(report, only) for report in reports) else 1)


def _is_good(report: Report, only: str | None) -> bool:
    """One case alone cannot reach everything."""
    return report.total > 0 and not report.failures if only else report.passed


def _run(subjects: list[Subject], only: str | None) -> list[Report]:
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        return [_run_one(subject, only, progress) for subject in subjects]


def _run_one(subject: Subject, only: str | None, progress: Progress) -> Report:
    task = progress.add_task(subject.name, total=None)
    cases = [case for case in generate(subject.document, subject.mapping) if only in (None, case.id)]
    progress.update(task, total=len(cases))

    def count(done: int) -> None:
        progress.update(task, completed=done)

    report = run(subject, cases=cases, progress=count)
    add_scenarios(report, subject, only)
    report.disagreements = disagreements(subject.document, subject.mapping)
    return report


def _show(reports: list[Report], only: str | None) -> None:
    console = Console()
    for report in reports:
        found = causes(report.failures)
        for cause in found[:SHOWN]:
            again = f"payout-gateway contracts test {report.provider} --only '{cause.first.case}'"
            console.print(
                f"[bold red]{report.provider}[/] {escape(str(cause))}\n  again:    {escape(again)}\n", soft_wrap=True
            )
        if len(found) > SHOWN:
            more = len(found) - SHOWN
            console.print(f"[bold red]{report.provider}[/] and {more} causes more (all with --json)\n")
        for fault in [*report.disagreements, *([] if only else report.coverage.missing)][:SHOWN]:
            console.print(f"[bold red]{report.provider}[/] {escape(fault)}", soft_wrap=True)
    if only is None:
        console.print(_table(reports))
        for line in filter(None, (report.left_out for report in reports)):
            console.print(escape(line), style="yellow", soft_wrap=True)
    elif all(_is_good(report, only) for report in reports):
        console.print(f"{escape(only)}: passed")


def _table(reports: list[Report]) -> Table:
    """One column for each provider: the rows are what people compare."""
    table = Table("", *(report.provider for report in reports))
    for family in Family:
        table.add_row(str(family), *(f"{report.cases[family]:,}" for report in reports))
    if any(report.not_run for report in reports):
        table.add_row("scenarios not run", *(f"{report.not_run:,}" for report in reports))
    table.add_section()
    rows = {
        "cases": [f"{report.total:,}" for report in reports],
        "seconds": [f"{report.seconds:.1f}" for report in reports],
        "cases/s": [f"{report.total / report.seconds:,.0f}" for report in reports],
        "documented answers": [f"{len(each.coverage.seen_pairs)}/{len(each.coverage.pairs)}" for each in reports],
        "keyword locations, both ways": ["{}/{}".format(*report.coverage.locations) for report in reports],
        "failures": [f"{len(report.failures):,}" for report in reports],
        "mapping faults": [f"{len(report.disagreements):,}" for report in reports],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    table.add_row("verdict", *("[green]passed[/]" if report.passed else "[bold red]FAILED[/]" for report in reports))
    return table
