"""`payout-gateway contracts drift`: two versions of a contract, and what the changes mean for callers."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.document import Document
from contracts.drift import Change, Severity, drift

EXAMPLES = """\b
Examples:
  payout-gateway contracts drift contracts/ledger published/openapi.yaml
  payout-gateway contracts drift old/ new/ --json
"""
COLOURS = {Severity.BREAKING: "red", Severity.LOOK: "yellow", Severity.HARMLESS: "green"}

contract = click.Path(path_type=Path, exists=True)


@click.command("drift", epilog=EXAMPLES)
@click.argument("old", type=contract)
@click.argument("new", type=contract)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def drift_command(old: Path, new: Path, as_json: bool) -> None:
    """Compare two versions of a contract: files, or folders with an openapi.yaml. Exits 1 where callers may break."""
    changes = drift(_document(old), _document(new))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode([asdict(change) for change in changes]), indent=2))
    else:
        _show(changes)
    sys.exit(any(change.severity is Severity.BREAKING for change in changes))


def _document(path: Path) -> Document:
    """Raises ClickException where it is no OpenAPI document."""
    file = path / "openapi.yaml" if path.is_dir() else path
    try:
        document = Document.load(file)
        document.operations  # noqa: B018  reads all of it
    # Whatever stands in someone's file: what matters is which file, and what is wrong with it.
    except Exception as error:
        raise click.ClickException(f"{file} cannot be read as OpenAPI 3.1: {type(error).__name__}: {error}") from None
    return document


def _show(changes: list[Change]) -> None:
    if not changes:
        click.echo("No change that means anything to callers.")
        return
    table = Table("severity", "where", "what changed, and what it means", show_lines=True)
    for change in changes:
        where, what = f"{change.operation}\n{change.where}", f"{change.what}\n{change.meaning}"
        # Texts, because what stands in a contract is no markup.
        table.add_row(Text(change.severity, COLOURS[change.severity]), Text(where), Text(what))
    console = Console()
    console.print(table)
    counts = Counter(change.severity for change in changes)
    console.print(", ".join(f"{counts[severity]} {severity}" for severity in Severity))
