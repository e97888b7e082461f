"""What the commands share: their options, how they load a config, and how they print."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console

from gateway.config import Config, ConfigInvalid, journal_url, load, without_secrets
from gateway.store.interface import JournalError, JournalRefused, Transaction
from gateway.store.opening import open_read_only

T = TypeVar("T")

config_option = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default="gateway.toml",
    show_default=True,
    help="The config file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="For machines.")


def loaded(path: Path, secrets: bool = True, only: tuple[str, ...] | None = None) -> Config:
    """The config of a file, or `only` some of its sections; each of their faults is said.

    Without `secrets`, these may be out of reach.
    """
    try:
        return load(path, only) if secrets else _without_secrets(path)
    except ConfigInvalid as error:
        raise click.ClickException(f"{path} cannot be used:\n" + "\n".join(told(path, error))) from None


def _without_secrets(path: Path) -> Config:
    try:
        return load(path)
    except ConfigInvalid as error:
        return without_secrets(path, error)


def told(path: Path, error: ConfigInvalid) -> list[str]:
    """One line for each fault, with its place in the file."""
    return [
        f"{f'{path}:{line}: ' if line else ''}{click.style(where, bold=True)}: {what}"
        for line, where, what in error.placed()
    ]


def console() -> Console:
    """For tables. A pipe has no width of its own: nothing is cut for it."""
    return Console(width=None if sys.stdout.isatty() else 200)


def read_journal(config: Config, work: Callable[[Transaction], T]) -> T:
    """What one reading transaction finds, beside a running gateway."""

    try:
        url = journal_url(config)
    except ValueError as error:
        raise click.ClickException(f"journal.url: {error}") from None

    async def run() -> T:
        store = open_read_only(url)
        try:
            return await store.read(work)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (JournalRefused, JournalError) as error:
        raise click.ClickException(str(error)) from None
