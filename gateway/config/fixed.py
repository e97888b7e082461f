"""What is built once, at the start: a gateway that goes on keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.config.model import Config, Connection

Fixed = Mapping[str, Any]
STAYS = "cannot change while the gateway runs: restart it"


def fixed(config: Config) -> dict[str, Any]:
    """What cannot be swapped under calls, by its path."""
    return {
        "server.host": config.server.host,
        "server.port": config.server.port,
        "server.body_limit": config.server.body_limit,
        "journal.url": config.journal.url,
        "redis.url": config.redis.url if config.redis else None,
        "audit.key": config.audit.key,
        "audit.anchor": config.audit.anchor,
    }


def account(connection: Connection) -> tuple[Any, ...]:
    """What makes it the same account at the same provider: an operation's look-ups must ask where it was sent."""
    return connection.provider, connection.base_url, connection.currency, connection.settings


def of_all_workers(config: Config) -> Fixed:
    """Digests of what is fixed and of the accounts: no two workers may mean another one by a name.

    They stand in a worker's command line, which others can read; a journal's URL may hold a password.
    """
    accounts = {f"connections.{name}": account(item) for name, item in config.connections.items()}
    return {path: _digest(value) for path, value in (fixed(config) | accounts).items()}


def changed(before: Fixed, now: Fixed) -> list[str]:
    """The paths of what is another now; a connection that is gone or was added is none."""
    return [path for path in before if before[path] != now.get(path, before[path])]


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
