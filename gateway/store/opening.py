"""Which engine a journal's URL names: `sqlite:///file` or `postgresql://…`."""

from __future__ import annotations

from pathlib import Path

from gateway.store.interface import JournalRefused, Store

SCHEMES = ("sqlite:///", "postgresql://")


def open_store(url: str) -> Store:
    """The journal for a gateway, migrated. Raises JournalRefused where it could not keep its promise."""
    if url.startswith("sqlite:///"):
        from gateway.store.sqlite import SqliteStore

        return SqliteStore(_file(url))
    if url.startswith("postgresql://"):
        from gateway.store.postgres import PostgresStore

        return PostgresStore(url)
    raise _unknown()


def open_read_only(url: str) -> Store:
    """The journal for a command that only looks; a gateway may be running beside it. Raises JournalRefused."""
    if url.startswith("sqlite:///"):
        from gateway.store.sqlite import ReadOnlySqlite

        return ReadOnlySqlite(_file(url))
    if url.startswith("postgresql://"):
        from gateway.store.postgres import ReadOnlyPostgres

        return ReadOnlyPostgres(url)
    raise _unknown()


def _file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _unknown() -> JournalRefused:
    return JournalRefused(f"journal.url must begin with {' or '.join(SCHEMES)}")
