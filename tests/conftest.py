"""A whole gateway over real sockets: four simulators, a journal file, one key per set of scopes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from contracts.simulator.demo import ACCOUNTS
from contracts.simulator.server import RunningSimulator, running
from gateway.api.app import create_app
from gateway.config import Config, parse
from gateway.engine.reloading import Service
from gateway.engine.service import Gateway
from gateway.keys import SCOPES, hashed
from gateway.listening import listener
from gateway.protocol import Protocol

TEST_KEY = "test-key-of-everything"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Stack:
    """What a journey test holds. `call` is a client with a key of all scopes."""

    url: str
    call: httpx.AsyncClient
    simulators: dict[str, RunningSimulator]
    service: Service
    gateway: Gateway  # the one that was in force at the start
    config: dict[str, Any]
    file: Path  # that a reload reads, if the stack was given one
    keys: dict[str, str] = field(default_factory=dict)

    async def write(
        self, method: str, path: str, body: Any = None, key: str = "key-1", **headers: str
    ) -> httpx.Response:
        """One write with an Idempotency-Key; headers as keyword arguments, underscores for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.call.request(method, path, json=body, headers={"Idempotency-Key": key, **named})

    async def control(self, connection: str, method: str, path: str, body: Any = None) -> Any:
        """One control call to a connection's simulator: `log`, `faults`, `reset` and so on."""
        url = f"{self.simulators[connection].url}/_control/{path}"
        reply = await self.call.request(method, url, json=body)  # a client of its own would cost 20 ms
        reply.raise_for_status()
        return reply.json() if reply.content else None

    async def fault(self, connection: str, fault: str, operation: str = "*", **more: Any) -> None:
        await self.control(connection, "POST", "faults", {"fault": fault, "operation": operation, **more})

    async def executed(self, connection: str, operation: str | None = None) -> list[dict[str, Any]]:
        """What the provider really executed, from its own log."""
        log: list[dict[str, Any]] = await self.control(connection, "GET", "log")
        return [entry for entry in log if entry["executed"] and operation in (None, entry["operation"])]


def raw_config(simulators: dict[str, RunningSimulator], folder: Path, **server: Any) -> dict[str, Any]:
    """The config of the README over running simulators; the test may change it before it is parsed."""
    return {
        "server": {"port": 0, "wait": 5.0, **server},
        "reads": {"cache": 0},
        "journal": {"url": f"sqlite:///{folder}/journal.db"},
        "connections": {name: connection_of(name, simulator.url, folder) for name, simulator in simulators.items()},
        "routes": [
            {"name": "suppliers", "when": {"operation": ["create"]}, "to": ["bank"]},
            {"name": "affiliates", "when": {"operation": ["list_payouts"]}, "to": ["promo"]},
        ],
        "api_keys": [
            {"name": "everything", "tenant": "default", "sha256": hashed(TEST_KEY), "scopes": list(SCOPES)},
            {"name": "stranger", "tenant": "other", "sha256": hashed("test-key-of-a-stranger"), "scopes": list(SCOPES)},
            *(
                {"name": scope, "tenant": "default", "sha256": hashed(f"test-{scope}"), "scopes": [scope]}
                for scope in SCOPES
            ),
        ],
    }


def connection_of(name: str, url: str, folder: Path) -> dict[str, Any]:
    account = ACCOUNTS[name]
    sources = {}
    for each, value in account.credentials.items():
        path = folder / f"{name}_{each}"
        path.write_text(value)
        sources[each] = f"file:{path}"
    made: dict[str, Any] = {"provider": account.provider, "base_url": url, "credentials": sources}
    if account.currency:
        made["currency"] = account.currency
    if account.settings:
        made["settings"] = dict(account.settings)
    return made


@contextlib.asynccontextmanager
async def four_simulators() -> AsyncIterator[dict[str, RunningSimulator]]:
    async with contextlib.AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(running(account.provider)) for name, account in ACCOUNTS.items()}


@contextlib.asynccontextmanager
async def gateway_running(config: Config, source: Path | None = None) -> AsyncIterator[tuple[str, Service]]:
    """The gateway on a free loopback port, in this event loop."""
    app = create_app(config, source)
    bound = listener("127.0.0.1", 0)
    settings = uvicorn.Config(app, http=Protocol, ws="none", lifespan="on", log_config=None, access_log=False)
    server = uvicorn.Server(settings)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.001)
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}", app.state["service"]
    finally:
        server.should_exit = True
        await serving
        bound.close()


@contextlib.asynccontextmanager
async def stack_of(
    raw: dict[str, Any], simulators: dict[str, RunningSimulator], source: Path | None = None
) -> AsyncIterator[Stack]:
    async with gateway_running(parse(raw), source) as (url, service):
        headers = {"Authorization": f"Bearer {TEST_KEY}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False) as call:
            yield Stack(url, call, simulators, service, service.current, raw, source or Path())


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A fresh gateway over fresh simulators."""
    async with four_simulators() as simulators, stack_of(raw_config(simulators, tmp_path), simulators) as made:
        yield made


def order(reference: str = "invoice-1", **changes: Any) -> dict[str, Any]:
    """A create that the gateway takes."""
    body: dict[str, Any] = {
        "reference": reference,
        "amount": {"currency": "GBP", "minor_units": 1023},
        "payee": {"name": "Test Supplier", "account_number": "31926819", "sort_code": "601613"},
        "description": "Invoice 2026 001",
    }
    return body | changes
