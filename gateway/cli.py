"""The command line."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Coroutine
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from gateway import __version__
from gateway.config import Config, ConfigInvalid
from gateway.coordination import RedisUrlInvalid
from gateway.keys import SCOPES, hashed, is_whole, new_key
from gateway.options import config_option, loaded
from gateway.plugins import installed
from gateway.siblings import Place, Worker
from gateway.store.interface import JournalRefused
from gateway.workers import Workers, WorkersRefused
from providers.sdk import CAPABILITIES

EXAMPLES = """\b
Examples:
  payout-gateway dev                                   the gateway and four simulated providers, nothing to configure
  payout-gateway check --config gateway.toml           every fault of a config, by line and path
  payout-gateway diff gateway.toml new.toml            which calls go elsewhere
  payout-gateway key new --name payroll --scopes payouts:read,payouts:write
"""
# The commands that stand elsewhere. They are imported when they are asked for: a gateway that serves needs none.
ELSEWHERE = {
    "audit": "gateway.oncall:audit",
    "check": "gateway.configuring:check",
    "config-schema": "gateway.configuring:config_schema_command",
    "contracts": "gateway.conformance.cli:contracts",
    "diff": "gateway.configuring:diff",
    "explain": "gateway.configuring:explain_command",
    "operations": "gateway.oncall:operations",
    "replay": "gateway.configuring:replay",
}


class _Commands(click.Group):
    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in ELSEWHERE:
            return super().get_command(context, name)
        module, _, command = ELSEWHERE[name].partition(":")
        found: click.Command = getattr(import_module(module), command)
        return found


@click.group(cls=_Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="payout-gateway")
def main() -> None:
    """One payout API in front of many payout systems."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # At INFO it logs every URL, and URLs hold ids.
    logging.getLogger("httpx").setLevel(logging.WARNING)


@main.command()
@config_option
@click.option("--host", help="Overrides [server] host.")
@click.option("--port", type=click.IntRange(0, 65535), help="Overrides [server] port.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes behind the port, over one PostgreSQL journal.",
)
@click.option("--place", hidden=True, help="Which worker it is; their parent says so.")
def run(path: Path, host: str | None, port: int | None, workers: int, place: str | None) -> None:
    """Serve the API. SIGHUP reads the config again; a bad one changes nothing.

    \b
    Examples:
      payout-gateway run --config gateway.toml
      payout-gateway run --workers 4       [journal] is PostgreSQL; [redis] lets them share limits, circuits, reads
    """
    config = loaded(path)
    address = host or config.server.host, config.server.port if port is None else port
    if place is not None:
        _work(config, *address, path, Worker(msgspec.json.decode(place, type=Place)))
    elif workers > 1:
        _until_interrupted(Workers(config, workers, *address).run())
    else:
        from gateway.serve import serve

        _until_interrupted(serve(config, *address, source=path))


def _work(config: Config, host: str, port: int, source: Path, worker: Worker) -> None:
    """As one of several. Why it cannot start is said by the parent, once for all of them."""
    from gateway.serve import serve

    try:
        if why := worker.place.differs(config):
            raise click.ClickException(why)
        _until_interrupted(serve(config, host, port, source=source, worker=worker))
    except click.ClickException as error:
        worker.refused(error.message)
        sys.exit(1)


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="The gateway's port.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where journal, config and key stay. Without it, a temporary folder that is removed at the end.",
)
def dev(port: int, data: Path | None) -> None:
    """Serve the API over four simulated providers: no account, no Internet."""
    from gateway.dev import run_dev

    _until_interrupted(run_dev(port, data))


@main.command()
@click.argument("provider")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 picks a free one.")
def simulate(provider: str, port: int) -> None:
    """Serve a simulator of PROVIDER on the loopback interface."""
    from contracts.simulator.server import run as run_simulator

    try:
        run_simulator(provider, port)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def providers(as_json: bool) -> None:
    """Show what each installed provider offers; the cells name what repeating a call would do."""
    matrix = {
        name: {call: effect for call, (effect, _) in plugin.offers().items()} for name, plugin in installed().items()
    }
    if as_json:
        click.echo(json.dumps(matrix, indent=2))
        return
    table = Table("capability", *matrix)
    for capability in CAPABILITIES:
        table.add_row(capability, *(calls.get(capability, "-") for calls in matrix.values()))
    Console().print(table)


@main.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of standard output.")
def openapi(output: Path | None) -> None:
    """Export the API's own OpenAPI document."""
    from gateway.api.app import document

    text = msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")


@main.group()
def key() -> None:
    """Make and hash API keys."""


def _scopes(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
    scopes = [scope.strip() for scope in value.split(",") if scope.strip()]
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise click.BadParameter(f"{', '.join(unknown) or 'none given'}; there are {', '.join(SCOPES)}")
    return scopes


def _names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[str] | None:
    return [name.strip() for name in value.split(",") if name.strip()] if value else None


@key.command("new")
@click.option("--name", required=True, help="Who will use it.")
@click.option("--scopes", required=True, callback=_scopes, help=f"Separated by commas: {', '.join(SCOPES)}.")
@click.option("--tenant", default="default", show_default=True, help="Whose operations it sees.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The first day (UTC) on which it works no more.")
@click.option("--connections", callback=_names, help="Separated by commas: the only ones that it may use.")
def key_new(name: str, scopes: list[str], tenant: str, expires: datetime | None, connections: list[str] | None) -> None:
    """Make a key. It is shown once; the config gets its hash.

    \b
    Example: payout-gateway key new --name payroll --scopes payouts:read --expires 2027-01-01 --connections bank
    """
    made = new_key()
    click.echo(f"The key, shown only now:\n\n  {made}\n\nFor the config:\n")
    click.echo("[[api_keys]]")
    fields = {"name": name, "tenant": tenant, "sha256": hashed(made), "scopes": scopes, "connections": connections}
    for field, value in fields.items():
        if value is not None:
            click.echo(f"{field} = {json.dumps(value)}")
    if expires is not None:
        click.echo(f"expires = {expires.date()}")


@key.command("hash")
def key_hash() -> None:
    """Print the hash of a key that is read from standard input, if it is whole.

    \b
    Example: payout-gateway key hash < the-key
    """
    given = sys.stdin.read().strip()
    if not is_whole(given):
        raise click.ClickException("not a key that `payout-gateway key new` made: a part of it is missing or mistyped")
    click.echo(hashed(given))


main.commands.update({name: click.Command(name) for name in ELSEWHERE})  # for the list, and what was probably meant


def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work)
    except (JournalRefused, ConfigInvalid, RedisUrlInvalid, WorkersRefused, OSError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        pass
