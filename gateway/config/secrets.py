"""Where secrets stand: `env:NAME` or `file:/path`, never in the file itself."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.config.model import Config
from providers.sdk import Secret


def redis_url(config: Config) -> str | None:
    """Where Redis is, if it is configured. Raises ValueError where a secret cannot be read."""
    return _url(config.redis.url) if config.redis else None


def journal_url(config: Config) -> str:
    """Where the journal is. Raises ValueError where a secret cannot be read."""
    return _url(config.journal.url)


def _url(url: str) -> str:
    """A URL with a password in it stands elsewhere: `env:NAME` or `file:/path`."""
    return resolve_secret(url).reveal() if url.startswith(("env:", "file:")) else url


def resolve_secret(source: str) -> Secret:
    """`env:NAME` or `file:/path` to its value. Raises ValueError; a literal is one: secrets stay out of the file."""
    kind, _, name = source.partition(":")
    if kind == "env" and name:
        value = os.environ.get(name)
        if not value:
            raise ValueError(f"the environment has no {name}")
        return Secret(value)
    if kind == "file" and name:
        try:
            return Secret(Path(name).read_text("utf-8").strip())
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"cannot read {name}") from None
    raise ValueError("must be env:NAME or file:/path, never the value itself")
