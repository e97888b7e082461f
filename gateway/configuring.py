"""The commands of the person who changes the config: what is wrong with it, and what a change would do."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gateway.api.problems import ApiError, from_error
from gateway.api.routes import require_whole
from gateway.config import Config, ConfigInvalid, config_schema, load
from gateway.engine.diffing import ANY_KEY, Difference, Moved, difference
from gateway.engine.errors import EngineError
from gateway.engine.explaining import ExplainBody, Explanation, UpstreamRequest, explain
from gateway.engine.probing import Probed, probed
from gateway.engine.replaying import Elsewhere, replayed
from gateway.engine.routing import Router
from gateway.engine.service import caller_of_key, connected
from gateway.keys import Caller
from gateway.operation import Operation, instant
from gateway.options import config_option, console, json_option, loaded, read_journal, told
from gateway.store.interface import Transaction
from gateway.store.questions import list_operations
from providers.sdk import ProviderError

PAGE = 1000
SINCE = re.compile(r"([1-9][0-9]{0,4})(d|h|min)")
MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "min": 60_000}
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@config_option
@click.option("--online", is_flag=True, help="Also read from each provider, to prove that our credentials work.")
@json_option
def check(path: Path, online: bool, as_json: bool) -> None:
    """Validate a config. Exits 1 with the line and path of each fault.

    \b
    Examples:
      payout-gateway check --config gateway.toml
      payout-gateway check --online        nothing moves: one harmless read each
    """
    try:
        config = load(path)
    except ConfigInvalid as error:
        faults = [{"line": line, "path": where, "message": what} for line, where, what in error.placed()]
        click.echo(
            json.dumps({"ok": False, "faults": faults}) if as_json else "\n".join(told(path, error)), err=not as_json
        )
        sys.exit(1)
    found = asyncio.run(probed(config)) if online else []
    works = all(item.verdict == "ok" for item in found)
    if as_json:
        answers = {"connections": msgspec.to_builtins(found)} if online else {}
        click.echo(json.dumps({"ok": works, "faults": []} | answers))
    else:
        click.echo(f"{path}: valid ({config.sizes}), version {config.version}")
        if online:
            console().print(_probes(found))
    if not works:
        sys.exit(1)


def _probes(found: list[Probed]) -> Table:
    table = Table("connection", "provider", "verdict", "ms", "detail")
    for item in found:
        table.add_row(item.connection, item.provider, item.verdict, str(item.milliseconds), item.detail or "")
    return table


@click.command()
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@json_option
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Say which calls go elsewhere, and what is permitted otherwise, when the config NEW replaces OLD.

    Their secrets need not be here.

    \b
    Example: payout-gateway diff gateway.toml gateway.new.toml
    """
    found = difference(loaded(old, secrets=False), loaded(new, secrets=False))
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for line in _differences(found):
        click.echo(line)


def _differences(found: Difference) -> list[str]:
    lines = [f"from version {found.old} to {found.new}"]
    for title, items in (
        ("Connections", found.connections),
        ("Calls that go elsewhere", [_sentence(item) for item in found.moved]),
        ("Lists", found.lists),
        ("Limits", found.limits),
        ("Approvals", found.approvals),
        ("Keys", found.keys),
        ("Other settings changed", found.others),
    ):
        lines += ["", f"{title}:", *(f"  {item}" for item in items or ["no change"])]
    return lines


def _sentence(item: Moved) -> str:
    calls = f" ({', to '.join(item.calls)})" if item.calls else ""
    keys = f", by {' and '.join(item.keys)}" if item.keys else ""
    return f"{item.operation}{calls}{keys}: {item.before} → {item.after}"


@click.command("explain")
@click.argument("request", type=click.File("rb"))
@config_option
@click.option("--key", "name", help="The API key that would ask; without it, the first that may write.")
@json_option
def explain_command(request: Any, path: Path, name: str | None, as_json: bool) -> None:
    """Say where the write in REQUEST would go, what took or dropped each candidate, and what would be sent.

    REQUEST is a JSON file (or - for standard input), as POST /v1/routes/explain takes it. Nothing is sent. Exits 1
    where it would be refused.

    \b
    Examples:
      {"payout": {"reference": "invoice-7", "amount": {"currency": "GBP", "minor_units": 1023}, ...}}
      {"operation": "complete", "id": "sway:42", "mark": {"reference": "TXN-1"}}
    """
    config = loaded(path)
    try:
        asked = msgspec.json.decode(request.read(), type=ExplainBody)
        require_whole(asked)
        found = asyncio.run(_explained(config, _caller(config, name), asked))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"the request cannot be read: {error}") from None
    except (ApiError, EngineError, ProviderError) as error:
        raise click.ClickException(_problem(error)) from None
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        _print(found)
    if found.refused:
        sys.exit(1)


def _problem(error: Exception) -> str:
    problem = from_error(error).problem()
    detail = f": {problem.detail}" if problem.detail else ""
    return problem.title + detail + "".join(f"\n  {fault.pointer}: {fault.message}" for fault in problem.errors)


async def _explained(config: Config, caller: Caller, asked: ExplainBody) -> Explanation:
    async with connected(config) as connections:
        return explain(Router(config, connections), caller, asked)


def _caller(config: Config, name: str | None) -> Caller:
    keys = [key for key in config.api_keys if name in (None, key.name)]
    if name is not None and not keys:
        known = ", ".join(key.name for key in config.api_keys) or "none"
        raise click.ClickException(f"there is no key {name!r}; there is {known}")
    writing = [key for key in keys if name or "payouts:write" in key.scopes]
    return caller_of_key(writing[0]) if writing else ANY_KEY


def _print(found: Explanation) -> None:
    for passed in found.passed:
        click.echo(f"route {passed.route} does not match: {passed.why}")
    click.echo(f"{found.rule} (config {found.config})")
    if found.candidates:
        console().print(_candidates(found))
    for item in found.candidates:
        if item.request is not None and item.verdict == "taken":
            _print_request(item.request)
    if found.needs:
        click.echo(f"\nNeeds {found.needs}: nothing is sent before")
    if found.refused:
        click.echo(f"\nRefused: {found.refused}")


def _candidates(found: Explanation) -> Table:
    table = Table("connection", "provider", "state", "verdict", "why")
    for item in found.candidates:
        table.add_row(item.connection, item.provider, item.state, item.verdict, item.why)
    return table


def _print_request(request: UpstreamRequest) -> None:
    click.echo(f"\n{request.method} {request.url}")
    for name, value in request.headers.items():
        click.echo(f"{name}: {value}")
    if request.body is not None:
        click.echo("\n" + json.dumps(request.body, indent=2, ensure_ascii=False))


def _milliseconds(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    match = SINCE.fullmatch(value)
    if match is None:
        raise click.BadParameter("say 7d, 12h or 30min")
    return int(match[1]) * MILLISECONDS[match[2]]


@click.command()
@click.option("--since", callback=_milliseconds, default="7d", show_default=True, help="How far back: 7d, 12h, 30min.")
@click.option("--config", "path", type=FILE, required=True, help="The config to try; its journal is read.")
@json_option
def replay(since: int, path: Path, as_json: bool) -> None:
    """Say which payouts of the journal would have gone elsewhere under a config. Nothing is sent.

    \b
    Example: payout-gateway replay --since 7d --config gateway.new.toml
    """
    config = loaded(path, secrets=False)
    after = int(time.time() * 1000) - since
    operations = read_journal(config, lambda tx: _creates_since(tx, after))
    shown = track(operations, "routing", console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    found = replayed(shown, config)
    if as_json:
        click.echo(msgspec.json.encode({"payouts": len(operations), "elsewhere": found}))
        return
    if found:
        console().print(_replays(found))
    click.echo(f"{len(found)} of {len(operations)} payouts would have gone elsewhere under {config.version}")


def _creates_since(tx: Transaction, after: int) -> list[Operation]:
    found: list[Operation] = []
    before = None
    while True:
        page = list_operations(tx, None, action="create", before=before, limit=PAGE)
        found += [item for item in page if item.created_at >= after]
        if len(page) < PAGE or page[-1].created_at < after:
            return found
        before = page[-1].id


def _replays(found: list[Elsewhere]) -> Table:
    table = Table("operation", "created", "amount", "reference", "route", "went to", "would go to")
    for item in found:
        created = instant(item.created_at)
        table.add_row(
            item.operation, created, item.amount, item.reference or "", item.route or "", item.before, item.after
        )
    return table


@click.command("config-schema")
@click.option("--output", type=FILE, help="A file instead of standard output.")
def config_schema_command(output: Path | None) -> None:
    """Export the JSON Schema of the config, for editors.

    \b
    Example: payout-gateway config-schema --output gateway.schema.json
    """
    text = json.dumps(config_schema(), indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
