"""Serves the application with uvicorn, until SIGINT or SIGTERM. SIGHUP reloads the config."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from litestar import Litestar

from gateway.api.app import create_app
from gateway.api.health import own_metrics
from gateway.config import Config
from gateway.engine.reloading import ConfigRefused, Service
from gateway.listening import listener
from gateway.protocol import Protocol
from gateway.siblings import Worker

log = logging.getLogger("gateway.config")


async def serve(
    config: Config,
    host: str,
    port: int,
    started: asyncio.Event | None = None,
    source: Path | None = None,
    worker: Worker | None = None,
) -> None:
    """Runs until a signal. `started` is set when calls are taken. SIGHUP makes it read `source` again.

    `worker`: which one it is, where several share the port. Raises OSError, ConfigInvalid and JournalRefused.
    """
    bound = listener(host, port, shared=worker is not None)
    app = create_app(config, source, worker)
    settings = uvicorn.Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="off",  # the server would log why a start fails, and not say it to us
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here asks for a caller's address
        timeout_graceful_shutdown=25,
    )
    server = _Server(settings, started)
    try:
        with server.capture_signals(), _reloading_on_hangup(app) if source else contextlib.nullcontext():
            async with app.lifespan():
                _spare_the_collector()
                async with _among_others(worker, app, server):
                    bound.listen(settings.backlog)  # before the server is set up: each worker gets its share at once
                    await server.serve(sockets=[bound])
    except ExceptionGroup as failed:  # the framework's, around the one error
        raise failed.exceptions[0] from None
    finally:
        bound.close()


def _spare_the_collector() -> None:
    """What the start made is there to stay, and calls leave hardly a cycle: looking for some cost 72 us a payout."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _among_others(
    worker: Worker | None, app: Litestar, server: uvicorn.Server
) -> contextlib.AbstractAsyncContextManager[None]:
    def leave() -> None:
        server.should_exit = True

    if worker is None:
        return contextlib.nullcontext()
    return worker.among_others(lambda: own_metrics(app.state["service"].current), leave)


@contextlib.contextmanager
def _reloading_on_hangup(app: Litestar) -> Iterator[None]:
    """Installed before the start: a SIGHUP that comes early must not end the process."""
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[None]] = set()

    def hang_up() -> None:
        task = loop.create_task(_reload(app))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def _reload(app: Litestar) -> None:
    service: Service | None = app.state.get("service")
    if service is None:
        log.warning("SIGHUP came before the start was done: nothing to reload")
        return
    try:
        await service.reload()
    except ConfigRefused:  # told where it was found
        return
    except Exception:
        log.exception("the reload failed; config %s stays in force", service.current.version)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: asyncio.Event | None) -> None:
        super().__init__(config)
        self._began = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's own, but the signal is not raised again at the end: whoever called us cleans up first."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._began is not None:
            self._began.set()
