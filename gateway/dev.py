"""`payout-gateway dev`: the gateway and a simulator of each provider, with everything that a first call needs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from contracts.simulator.demo import ACCOUNTS
from contracts.simulator.server import RunningSimulator, running
from gateway.config import Config, load
from gateway.keys import SCOPES, hashed, new_key
from gateway.listening import listener
from gateway.serve import serve

# The same ports at every start where they are free, so that a person finds them again.
FIRST_SIMULATOR_PORT = 8091


async def run_dev(port: int, data: Path | None) -> None:
    """Runs until Ctrl-C. Raises OSError where a port is taken."""
    async with contextlib.AsyncExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="payout-gateway-")))
        simulators = await stack.enter_async_context(all_running())
        key = write_config(folder, port, simulators)
        config = load(folder / "gateway.toml")
        started = asyncio.Event()
        greeting = asyncio.create_task(_greet(started, config, simulators, key, folder))
        try:
            await serve(config, config.server.host, config.server.port, started)
        finally:
            greeting.cancel()


@contextlib.asynccontextmanager
async def all_running() -> AsyncIterator[dict[str, RunningSimulator]]:
    """A simulator for each demo account, by the connection's name."""
    async with contextlib.AsyncExitStack() as stack:
        servers = {}
        for place, (name, account) in enumerate(ACCOUNTS.items()):
            port = _free(FIRST_SIMULATOR_PORT + place)
            servers[name] = await stack.enter_async_context(running(account.provider, port))
        yield servers


def _free(port: int) -> int:
    """The port, or 0 (any) where someone has it."""
    try:
        listener("127.0.0.1", port).close()
    except OSError:
        return 0
    return port


def write_config(folder: Path, port: int, simulators: dict[str, RunningSimulator]) -> str:
    """Writes a config that also `payout-gateway run` takes, and returns the API key that it knows."""
    secrets = folder / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    key = _kept(secrets / "api_key", new_key())
    lines = ["[server]", f"port = {port}", "", "[journal]", f'url = "sqlite:///{folder.resolve()}/journal.db"']
    for name, simulator in simulators.items():
        lines += _connection(name, simulator, secrets.resolve())
    lines += ["", "[[routes]]", 'name = "suppliers"', 'when = { operation = ["create"] }', 'to = ["bank"]']
    lines += ["", "[[routes]]", 'name = "affiliates"', 'when = { operation = ["list_payouts"] }', 'to = ["promo"]']
    lines += ["", "[[api_keys]]", 'name = "dev"', f'sha256 = "{hashed(key)}"', f"scopes = {json.dumps(SCOPES)}"]
    (folder / "gateway.toml").write_text("\n".join(lines) + "\n", "utf-8")
    return key


def _connection(name: str, simulator: RunningSimulator, secrets: Path) -> list[str]:
    account = ACCOUNTS[name]
    sources = {}
    for field, value in account.credentials.items():
        _kept(secrets / f"{name}_{field}", value)
        sources[field] = f"file:{secrets / f'{name}_{field}'}"
    lines = ["", f"[connections.{name}]", f'provider = "{account.provider}"', f'base_url = "{simulator.url}"']
    lines.append(f"credentials = {_inline(sources)}")
    if account.currency:
        lines.append(f'currency = "{account.currency}"')
    if account.settings:
        lines.append(f"settings = {_inline(dict(account.settings))}")
    return lines


def _inline(table: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in table.items()) + " }"


def _kept(path: Path, value: str) -> str:
    """The file's content; made with `value`, readable by its owner only, where there is none."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(value)
    return path.read_text("utf-8")


async def _greet(
    started: asyncio.Event, config: Config, simulators: dict[str, RunningSimulator], key: str, folder: Path
) -> None:
    await started.wait()
    address = f"http://{config.server.host}:{config.server.port}"
    table = Table("what", "where", title="payout-gateway dev")
    table.add_row("gateway", address)
    table.add_row("documentation", f"{address}/schema")
    for name, simulator in simulators.items():
        table.add_row(f"{config.connections[name].provider} (connection {name})", simulator.url)
    table.add_row("config, journal", str(folder))
    Console().print(table)
    click.echo(f"An API key with all scopes:\n\n  export KEY={key}\n\nTry:\n")
    for call in _calls(address):
        click.echo(f"  {call}\n")
    click.echo("Ctrl-C stops everything.")
    sys.stdout.flush()


def _calls(address: str) -> list[str]:
    head = 'curl -s -H "Authorization: Bearer $KEY"'
    order = {
        "reference": "invoice-2026-001",
        "amount": {"currency": "GBP", "minor_units": 1023},
        "payee": {"name": "Test Supplier", "account_number": "31926819", "sort_code": "601613"},
        "description": "Invoice 2026 001",
    }
    send = f'{head} -H "Content-Type: application/json"'
    return [
        f"{head} '{address}/v1/payouts?limit=3'",
        f"{send} -H 'Idempotency-Key: try-1' -d '{json.dumps(order)}' {address}/v1/payouts",
        f"""{send} -H 'Idempotency-Key: try-2' -d '{{"reference": "TXN-1"}}' {address}/v1/payouts/sway:42/complete""",
    ]
