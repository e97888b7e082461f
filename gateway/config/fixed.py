"""What is built once, at the start: a gateway that goes on keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.model import Config

Fixed = Mapping[str, str | int | None]
STAYS = "cannot change while the gateway runs: restart it"


def fixed(config: Config) -> Fixed:
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


def changed(before: Fixed, config: Config) -> list[str]:
    """The paths of what this config would change of it."""
    now = fixed(config)
    return [path for path in before if before[path] != now[path]]
