"""The gateway as one object: what one config names, assembled over what all configs share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.callers import Callers, tokens_of
from gateway.config import ApiKey, Config, build_provider, journal_url, resolve_secret
from gateway.coordination import CachePolicy, Coordination, LocalCoordination, Policy, Rate
from gateway.engine.connection import Connection
from gateway.engine.decisions import Decisions
from gateway.engine.limiting import Limiter, rates_of
from gateway.engine.reading import Reader
from gateway.engine.recovery import Recovery
from gateway.engine.routing import Router
from gateway.engine.running import Runner
from gateway.engine.writing import Writer
from gateway.keys import Caller, Entry, KeyRing
from gateway.plugins import contract_of
from gateway.store.anchor import Anchor
from gateway.store.audit import Audit
from gateway.store.interface import Store
from gateway.upstream import Upstream
from gateway.upstream.transport import Transport
from gateway.upstream.watching import counting


class Uses:
    """Counts the calls that are being answered."""

    def __init__(self) -> None:
        self.count = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        self.count += 1
        self._none.clear()
        try:
            yield
        finally:
            self.count -= 1
            if not self.count:
                self._none.set()

    async def ended(self) -> None:
        await self._none.wait()


@dataclass(frozen=True, slots=True)
class Foundation:
    """What stays while configs come and go."""

    store: Store
    coordination: Coordination
    reader: Reader
    recovery: Recovery
    audit: Audit
    transport: Transport  # for what is no provider: the issuers' keys


@dataclass(frozen=True, slots=True, eq=False)
class Gateway:
    """Everything that the API asks, as one config has it. A call is answered by the one that it began with."""

    config: Config
    version: str
    connections: dict[str, Connection]
    coordination: Coordination
    router: Router
    store: Store
    reader: Reader
    runner: Runner
    writer: Writer
    decisions: Decisions
    callers: Callers
    uses: Uses


def assembled(base: Foundation, config: Config, before: Gateway | None = None) -> Gateway:
    """The gateway of a config. A connection that `before` has just so goes on in it. Raises ConfigInvalid."""
    connections = {
        name: _kept(before, config, name) or connect(config, name, base.coordination) for name in config.connections
    }
    limiter = Limiter(config, base.coordination)
    runner = Runner(
        connections,
        base.store,
        base.reader,
        base.audit,
        config.operations,
        base.recovery,
        base.coordination,
        limiter,
        {route.name: route.fallback for route in config.routes},
    )
    router = Router(config, connections)
    return Gateway(
        config,
        config.version,
        connections,
        base.coordination,
        router,
        base.store,
        base.reader,
        runner,
        Writer(connections, runner, router, config.approvals),
        Decisions(runner),
        _callers(base, config, before),
        Uses(),
    )


def _kept(before: Gateway | None, config: Config, name: str) -> Connection | None:
    """The same connection with its pool, its token and its health, where nothing about it changes."""
    if before is None or before.config.reads != config.reads:
        return None
    same = before.config.connections.get(name) == config.connections[name]
    return before.connections[name] if same else None


def _callers(base: Foundation, config: Config, before: Gateway | None) -> Callers:
    """An issuer that does not change keeps the public keys that it has given."""
    known = list(before.callers.issuers.values()) if before else []
    kept = {each.issuer.name: each for each in known if each.issuer in config.issuers}
    issuers = [kept.get(issuer.name) or tokens_of(issuer, base.transport) for issuer in config.issuers]
    return Callers(key_ring(config), issuers)


def key_ring(config: Config) -> KeyRing:
    return KeyRing(Entry(sha256, caller_of_key(key), key.expires) for key in config.api_keys for sha256 in key.hashes)


def caller_of_key(key: ApiKey) -> Caller:
    bound = None if key.connections is None else frozenset(key.connections)
    return Caller(key.name, key.tenant, frozenset(key.scopes), bound, frozenset(key.tags))


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
    return Policy(rates=rates | rates_of(config), cache=CachePolicy(ttl=config.reads.cache or 1.0))


def connect(config: Config, name: str, coordination: Coordination) -> Connection:
    """A connection as its section of the config says; whoever asks closes it. Raises ConfigInvalid."""
    settings = config.connections[name]
    provider, credentials = build_provider(name, settings)
    transport = Transport(settings.timeout)
    watch = counting(provider.name, contract_of(type(provider)))
    upstream = Upstream(provider, settings.base_url, credentials, transport, timeout=settings.timeout, watch=watch)
    return Connection(name, provider, upstream, coordination, config.reads.cache, settings.state)


@asynccontextmanager
async def connected(config: Config) -> AsyncIterator[dict[str, Connection]]:
    """The connections by themselves, for commands beside a running gateway. Raises ConfigInvalid."""
    async with AsyncExitStack() as stack:
        connections = {name: connect(config, name, LocalCoordination()) for name in config.connections}
        for connection in connections.values():
            stack.push_async_callback(connection.close)
        yield connections
