"""The simulator as a real server on the loopback interface.

async with running("ledger") as provider:
    httpx.get(provider.url + "/v1/admin/payouts", headers=provider.simulator.description.credentials)
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any, Self, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from contracts.simulator.connection import TRANSPORT
from contracts.simulator.engine import Simulator


class _Protocol(HttpToolsProtocol):
    """Leaves the transport in the scope: breaking a TCP connection needs more than ASGI offers."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)["extensions"] = {TRANSPORT: self.transport}


class RunningSimulator:
    """A simulator that listens. `url` has no base path; the documented one may be added or left out.

    uvicorn's protocol without its Server: that one polls every 0.1 s and takes the process's signals, while a
    test suite starts and stops hundreds of these.
    """

    def __init__(self) -> None:
        self.url = ""
        self._simulator: Simulator | None = None
        self._server: asyncio.Server | None = None
        self._state = ServerState()
        self._left = asyncio.Event()

    @property
    def simulator(self) -> Simulator:
        if self._simulator is None:
            raise RuntimeError("the simulator has not been started")
        return self._simulator

    async def start(self, provider: str | Simulator, port: int = 0, host: str = "127.0.0.1") -> Self:
        """Returns itself as soon as connections are accepted. Port 0 picks a free one."""
        simulator = provider if isinstance(provider, Simulator) else Simulator(provider)
        config = _config(simulator)
        listener = _listen(host, port)
        self._simulator = simulator
        self.url = f"http://{_shown(host)}:{listener.getsockname()[1]}"
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Protocol(config, self._state, {}), sock=listener
        )
        return self

    async def stop(self) -> None:
        """Open connections are cut. Stopping twice does nothing."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        self.simulator.cancel_late()
        for protocol in list(self._state.connections):
            cast("_Protocol", protocol).transport.abort()
        for task in list(self._state.tasks):
            task.cancel()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
        await server.wait_closed()

    def leave(self) -> None:
        """Ends `wait`."""
        self._left.set()

    async def wait(self) -> None:
        """Until somebody leaves."""
        await self._left.wait()


@contextlib.asynccontextmanager
async def running(
    provider: str | Simulator,
    port: int = 0,
    host: str = "127.0.0.1",
) -> AsyncIterator[RunningSimulator]:
    server = await RunningSimulator().start(provider, port, host)
    try:
        yield server
    finally:
        await server.stop()


def run(provider: str, port: int = 0) -> None:
    """For the command line: serves until SIGINT or SIGTERM, and says where and with which credentials."""
    asyncio.run(_run(provider, port))


async def _run(provider: str, port: int) -> None:
    async with running(provider, port) as server:
        # Handlers of our own: a shell's background job begins with SIGINT ignored.
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, server.leave)
        print(f"{provider} simulator on {server.url}")
        for name, value in server.simulator.description.credentials.items():
            print(f"  {name}: {value}")
        print(f"  switches: {server.url}/_control/  (Ctrl-C ends it)", flush=True)
        await server.wait()


def _config(simulator: Simulator) -> uvicorn.Config:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # by stop; uvicorn would take it for a fault
            await simulator(scope, receive, send)

    config = uvicorn.Config(
        application, ws="none", lifespan="off", log_level="warning", log_config=None, access_log=False
    )
    config.load()
    return config


def _listen(host: str, port: int) -> socket.socket:
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError("the simulator listens on the loopback interface only")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only then; without it answers wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
