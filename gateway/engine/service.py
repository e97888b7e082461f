"""The gateway as one object: what the config names, opened together and closed together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.config import Config, build_provider, journal_url, redis_url, resolve_secret
from gateway.coordination import CachePolicy, Coordination, Policy, Rate, open_coordination
from gateway.engine.connection import Connection
from gateway.engine.decisions import Decisions
from gateway.engine.reading import Reader
from gateway.engine.recovery import Recovery
from gateway.engine.routing import Router
from gateway.engine.running import Runner
from gateway.engine.writing import Writer
from gateway.keys import Caller, KeyRing
from gateway.store.anchor import Anchor
from gateway.store.audit import Audit
from gateway.store.journal import JournalUnavailable, Store
from gateway.store.leases import end_dead_leases
from gateway.store.opening import open_store
from gateway.upstream import Upstream
from gateway.upstream.client import Transport

DRAIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that the API asks."""

    config: Config
    connections: dict[str, Connection]
    coordination: Coordination
    router: Router
    store: Store
    reader: Reader
    runner: Runner
    writer: Writer
    decisions: Decisions
    keys: KeyRing


@asynccontextmanager
async def opened(config: Config, store: Store | None = None) -> AsyncIterator[Gateway]:
    """Opens the journal and all connections. Raises ConfigInvalid and JournalRefused.

    Leaving waits for what is being sent; what is not done by then is looked up at the next start.
    """
    async with contextlib.AsyncExitStack() as stack:
        coordination = await open_coordination(redis_url(config), policy_of(config))
        stack.push_async_callback(coordination.close)
        connections = {name: await connect(stack, config, name, coordination) for name in config.connections}
        journal = store or open_store(journal_url(config))
        stack.push_async_callback(journal.close)
        await journal.write(end_dead_leases)
        reader = Reader(journal)
        recovery = Recovery(journal, anchor_of(config))
        await recovery.check()
        runner = Runner(connections, journal, reader, audit_of(config), config.operations, recovery, coordination)
        tasks = asyncio.create_task(runner.work()), asyncio.create_task(recovery.keep())
        stack.push_async_callback(_stop, runner, tasks)
        writer = Writer(connections, runner)
        router = Router(connections, config.routes)
        yield Gateway(
            config,
            connections,
            coordination,
            router,
            journal,
            reader,
            runner,
            writer,
            Decisions(runner),
            key_ring(config),
        )


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


def audit_of(config: Config) -> Audit:
    """The audit log with the config's key; without one it shows accidents only."""
    key = config.audit.key
    return Audit(resolve_secret(key).reveal().encode() if key else b"")


def anchor_of(config: Config) -> Anchor | None:
    """The configured anchor, or one beside a SQLite file. A PostgreSQL journal has none unless it is configured."""
    if config.audit.anchor is not None:
        return Anchor(Path(config.audit.anchor))
    url = journal_url(config)
    return Anchor(Path(url.removeprefix("sqlite:///") + ".anchor")) if url.startswith("sqlite:///") else None


def policy_of(config: Config) -> Policy:
    limited = ((name, item.rate) for name, item in config.connections.items() if item.rate)
    rates = {name: Rate(rate.per_minute, rate.burst) for name, rate in limited}
    return Policy(rates=rates, cache=CachePolicy(ttl=config.reads.cache or 1.0))


async def connect(
    stack: contextlib.AsyncExitStack, config: Config, name: str, coordination: Coordination
) -> Connection:
    settings = config.connections[name]
    provider, credentials = build_provider(name, settings)
    transport = await stack.enter_async_context(Transport())
    upstream = Upstream(provider, settings.base_url, credentials, transport, timeout=settings.timeout)
    return Connection(name, provider, upstream, coordination, config.reads.cache)


async def _stop(runner: Runner, tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await runner.drain(DRAIN_SECONDS)
    with contextlib.suppress(JournalUnavailable, OSError):
        await runner.recovery.check()
