"""The gateway as one object: what the config names, opened together and closed together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from gateway.config import Config, build_provider
from gateway.engine.connection import Connection
from gateway.engine.reading import Reader
from gateway.engine.routing import Router
from gateway.engine.writing import Writer
from gateway.keys import Caller, KeyRing
from gateway.store.journal import Store
from gateway.store.sqlite import SqliteStore
from gateway.upstream import Upstream
from gateway.upstream.client import new_client

DRAIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that the API asks."""

    config: Config
    connections: dict[str, Connection]
    router: Router
    store: Store
    reader: Reader
    writer: Writer
    keys: KeyRing


@asynccontextmanager
async def opened(config: Config, store: Store | None = None) -> AsyncIterator[Gateway]:
    """Opens the journal and all connections. Raises ConfigInvalid and JournalRefused.

    Leaving waits for what is being sent; what is not done by then is looked up at the next start.
    """
    async with contextlib.AsyncExitStack() as stack:
        connections = {name: await _connect(stack, config, name) for name in config.connections}
        journal = store or _journal(config.journal.url)
        stack.push_async_callback(journal.close)
        reader = Reader(journal)
        writer = Writer(connections, journal, reader)
        await writer.recover()
        worker = asyncio.create_task(writer.work())
        stack.push_async_callback(_stop, writer, worker)
        router = Router(connections, config.routes)
        yield Gateway(config, connections, router, journal, reader, writer, key_ring(config))


def key_ring(config: Config) -> KeyRing:
    return KeyRing(
        (
            key.sha256,
            Caller(
                key.name,
                key.tenant,
                frozenset(key.scopes),
                None if key.connections is None else frozenset(key.connections),
            ),
        )
        for key in config.api_keys
    )


def _journal(url: str) -> Store:
    return SqliteStore(Path(url.removeprefix("sqlite:///")))


async def _connect(stack: contextlib.AsyncExitStack, config: Config, name: str) -> Connection:
    settings = config.connections[name]
    provider, credentials = build_provider(name, settings)
    client: httpx.AsyncClient = await stack.enter_async_context(new_client(settings.timeout))
    upstream = Upstream(provider, settings.base_url, credentials, client, timeout=settings.timeout)
    return Connection(name, provider, upstream)


async def _stop(writer: Writer, worker: asyncio.Task[None]) -> None:
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker
    await writer.drain(DRAIN_SECONDS)
