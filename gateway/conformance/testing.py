"""`payout-gateway contracts test`."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console
from rich.table import Table

from contracts.cases import Family
from gateway.conformance.report import Report
from gateway.conformance.running import run
from gateway.conformance.subject import Subject, SubjectInvalid
from gateway.plugins import installed

EXAMPLES = """\b
Examples:
  payout-gateway contracts test                        every installed provider, offline
  payout-gateway contracts test heldsway --json        one provider, for machines
  payout-gateway contracts test heldsway --only ID     one case again
"""


@click.command(epilog=EXAMPLES)
@click.argument("providers", nargs=-1)
@click.option("--only", metavar="ID", help="Run the one case with this id.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def test(providers: tuple[str, ...], only: str | None, as_json: bool) -> None:
    """Run the offline suite on each PROVIDER, or on all that are installed. Exits 1 on a failure."""
    try:
        reports = [run(Subject.installed(name), only=only) for name in providers or installed()]
    except SubjectInvalid as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps([report.as_json() for report in reports], indent=2))
    else:
        _show(reports)
    sys.exit(0 if all(report.passed for report in reports) else 1)


def _show(reports: list[Report]) -> None:
    console = Console()
    for report in reports:
        for failure in report.failures:
            console.print(
                f"[bold red]{report.provider}[/] {failure.case}\n  expected {failure.expected}\n  got {failure.got}"
            )
    table = Table("provider", *Family, "cases", "seconds", "cases/s", "pairs", "verdict")
    for report in reports:
        table.add_row(report.provider, *_cells(report))
    console.print(table)


def _cells(report: Report) -> list[str]:
    seen, documented = len(report.coverage.seen_pairs), len(report.coverage.pairs)
    counts = [str(report.cases[family]) for family in Family]
    speed = f"{report.total / report.seconds:,.0f}"
    verdict = "passed" if report.passed else "FAILED"
    return [*counts, str(report.total), f"{report.seconds:.1f}", speed, f"{seen}/{documented}", verdict]
