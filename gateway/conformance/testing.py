"""`payout-gateway contracts test`."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console
from rich.table import Table

from contracts.cases import Family
from gateway.conformance.live import Asked
from gateway.conformance.living import run_and_show
from gateway.conformance.report import Report
from gateway.conformance.running import run
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
    if live:
        run_and_show(_subjects(providers), Asked(base_url, writes, allow_production), required, as_json=as_json)
    if base_url or writes or allow_production or required:
        raise click.UsageError("--base-url, --writes, --allow-production and --require are for --live")
    reports = [run(subject, only=only) for subject in _subjects(providers)]
    if as_json:
        click.echo(json.dumps([report.as_json() for report in reports], indent=2))
    else:
        _show(reports)
    sys.exit(0 if all(report.passed for report in reports) else 1)


def _subjects(providers: tuple[str, ...]) -> list[Subject]:
    try:
        return [Subject.installed(name) for name in providers or installed()]
    except SubjectInvalid as error:
        raise click.ClickException(str(error)) from None


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
