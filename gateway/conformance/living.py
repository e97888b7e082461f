"""The live part of `payout-gateway contracts test`: runs, progress, and a table."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gateway.conformance.findings import Ran, Verdict
from gateway.conformance.live import Asked, LiveReport, Standing, TargetRefused, information, run_live
from gateway.conformance.subject import Subject

COLOURS = {
    Standing.VERIFIED: "green",
    Standing.UNVERIFIED: "yellow",
    Standing.DRIFT: "red",
    Standing.UNREACHABLE: "red",
}


def run_and_show(subjects: list[Subject], asked: Asked, required: tuple[str, ...], *, as_json: bool) -> NoReturn:
    """Runs all, shows what came of them, and exits: with 1 where one failed.

    Raises SubjectInvalid and ScenariosInvalid.
    """
    if asked.base_url is not None and len(subjects) != 1:
        raise click.UsageError("--base-url is one provider's; name the PROVIDER, or set the variables of each")
    missing = set(required) - {subject.name for subject in subjects}
    if missing:
        raise click.UsageError(f"--require {', '.join(sorted(missing))}: not among the providers of this run")
    with _progress(as_json) as progress:
        reports = [_run(subject, asked, subject.name in required, progress) for subject in subjects]
    if as_json:
        click.echo(json.dumps([report.as_json() for report in reports], indent=2))
    else:
        _show(reports)
    sys.exit(any(report.failed for report in reports))


def _run(subject: Subject, asked: Asked, required: bool, progress: Progress) -> LiveReport:
    task = progress.add_task(subject.name, total=None)
    ours = Asked(asked.base_url, asked.writes, asked.allow_production, required)

    def told(ran: Ran) -> None:
        progress.update(task, advance=1, description=f"{subject.name}: {ran.scenario}")

    try:
        progress.update(task, total=len(subject.scenarios))
        return asyncio.run(run_live(subject, os.environ, ours, told))
    except TargetRefused as error:
        raise click.ClickException(f"{subject.name}: {error}") from None


def _progress(as_json: bool) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=as_json)


def _show(reports: list[LiveReport]) -> None:
    console = Console()
    for report in reports:
        for reason in report.reasons:
            console.print(Text(f"{report.provider}: {reason}", COLOURS[report.standing]))
        for line in information(report.findings):
            console.print(Text(f"{report.provider}: {line}", "dim"))
    table = Table("provider", "verdict", *Verdict, "not run because")
    for report in reports:
        standing = f"{report.standing} {report.on or ''}".strip()
        counts = [str(len(report.findings.of(verdict))) for verdict in Verdict]
        why = "\n".join(sorted({ran.detail or "" for ran in report.findings.of(Verdict.LEFT_OUT)}))
        table.add_row(report.provider, Text(standing, COLOURS[report.standing]), *counts, Text(why))
    console.print(table)
