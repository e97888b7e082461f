"""What is wrong with a config whose shape is right: each fault with its path."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.config.callers import issuer_faults
from gateway.config.limit_faults import approval_faults, limit_faults
from gateway.config.model import Config, Connection
from gateway.config.plugin import credentials_of, settings_of
from gateway.config.route_faults import route_faults
from gateway.config.secrets import journal_url, redis_url, resolve_secret
from gateway.config.suggesting import meant
from gateway.config.urls import url_faults
from gateway.keys import SCOPES
from gateway.plugins import installed
from providers.sdk import Provider, UnknownCurrency, exponent

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
LEASE_MARGIN = 15  # seconds for minting a token before the send, and for recording after it


def faults_of(config: Config) -> Iterator[tuple[str, str]]:
    yield from _server_faults(config)
    yield from _operations_faults(config)
    for name, connection in config.connections.items():
        yield from _connection_faults(name, connection)
    yield from route_faults(config)
    yield from _key_faults(config)
    yield from issuer_faults(config)
    yield from limit_faults(config)
    yield from approval_faults(config)


def _server_faults(config: Config) -> Iterator[tuple[str, str]]:
    if not 0 <= config.server.port <= 65535:
        yield "server.port", "must be 0 to 65535"
    if not 0 <= config.server.wait <= 60:
        yield "server.wait", "must be 0 to 60 seconds"
    if config.server.body_limit < 1024:
        yield "server.body_limit", "must be at least 1024 bytes"
    yield from _journal_faults(config)


def _journal_faults(config: Config) -> Iterator[tuple[str, str]]:
    try:
        url = journal_url(config)
    except ValueError as error:
        yield "journal.url", str(error)
        return
    if not url.startswith(("sqlite:///", "postgresql://")):
        yield "journal.url", "must begin with sqlite:/// and name a file, or with postgresql:// and name a database"


def _operations_faults(config: Config) -> Iterator[tuple[str, str]]:
    operations = config.operations
    longest = max((connection.timeout for connection in config.connections.values()), default=0.0)
    if operations.lease < longest + LEASE_MARGIN:
        yield "operations.lease", f"must be at least {longest + LEASE_MARGIN:g}: the longest timeout and a margin"
    if operations.lookup_window < 60:
        yield "operations.lookup_window", "must be at least 60 seconds: a signed send can act that late"
    if operations.expires_after < 60:
        yield "operations.expires_after", "must be at least 60 seconds"
    if operations.wait is not None and not 0 <= operations.wait <= 60:
        yield "operations.wait", "must be 0 to 60 seconds"
    if not 0 <= config.reads.cache <= 60:
        yield "reads.cache", "must be 0 to 60 seconds"
    try:
        if not (redis_url(config) or "redis://").startswith(("redis://", "rediss://", "unix://")):
            yield "redis.url", "must begin with redis://, rediss:// or unix://, or be env:NAME or file:/path"
    except ValueError as error:
        yield "redis.url", str(error)
    if config.audit.key is not None:
        try:
            resolve_secret(config.audit.key)
        except ValueError as error:
            yield "audit.key", str(error)


def _connection_faults(name: str, connection: Connection) -> Iterator[tuple[str, str]]:
    path = f"connections.{name}"
    if NAME.fullmatch(name) is None:
        yield path, "a connection's name is a-z, 0-9, - and _, and begins with a letter"
    plugin = installed().get(connection.provider)
    if plugin is None:
        yield (
            f"{path}.provider",
            f"{connection.provider!r} is not installed{meant(connection.provider, installed())}",
        )
        return
    yield from url_faults(f"{path}.base_url", connection.base_url)
    yield from _currency_faults(path, plugin, connection.currency)
    if not 0 < connection.timeout <= 120:
        yield f"{path}.timeout", "must be more than 0 and at most 120 seconds"
    faults: list[tuple[str, str]] = []
    settings_of(path, plugin, connection, faults)
    credentials_of(path, plugin, connection, faults)
    yield from faults


def _currency_faults(path: str, plugin: type[Provider], currency: str | None) -> Iterator[tuple[str, str]]:
    if currency is None:
        if not plugin.names_currency:
            yield f"{path}.currency", f"is required: {plugin.name} names none"
        return
    try:
        exponent(currency)
    except UnknownCurrency as error:
        yield f"{path}.currency", str(error)


def _key_faults(config: Config) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    hashes: set[str] = set()
    for place, key in enumerate(config.api_keys):
        path = f"api_keys.{place}"
        for sha256 in key.hashes:
            if re.fullmatch(r"[0-9a-f]{64}", sha256) is None:
                yield f"{path}.sha256", "must be 64 hex digits: the SHA-256 of the key"
            elif sha256 in hashes:
                yield f"{path}.sha256", "is there already: one key is one caller"
            hashes.add(sha256)
        if key.name in seen:
            yield f"{path}.name", f"{key.name!r} is there already"
        seen.add(key.name)
        if not key.scopes:
            yield f"{path}.scopes", f"must name at least one of {', '.join(SCOPES)}"
        for connection in key.connections or ():
            if connection not in config.connections:
                yield (
                    f"{path}.connections",
                    f"there is no connection {connection!r}{meant(connection, config.connections)}",
                )
