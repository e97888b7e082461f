"""What a PostgreSQL server must promise before the journal trusts it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg

from gateway.store.interface import JournalRefused

OLDEST = 130_000
_QUESTION = """
SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS read_only,
       current_setting('server_encoding') AS encoding
"""


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """How the server is set, as this session sees it: the role's and the database's settings included."""

    version: int
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    read_only: bool
    encoding: str


def refuse_unsafe(name: str, connection: psycopg.Connection[Any]) -> str:
    """Raises JournalRefused with every fault; returns what a commit waits for."""
    row = connection.execute(_QUESTION).fetchone()
    promise = Promise(**dict(zip(Promise.__struct_fields__, row or (), strict=True)))
    found = list(faults(promise))
    if found:
        raise JournalRefused(f"{name} cannot keep the journal's promise: {'; '.join(found)}")
    return promise.synchronous_commit


def faults(promise: Promise) -> Iterator[str]:
    """Why the server cannot be trusted, each with what to do."""
    if promise.version < OLDEST:
        yield "it is older than PostgreSQL 13: upgrade it"
    if promise.fsync == "off":
        yield "fsync is off, so that a power cut loses or corrupts what was acknowledged: set fsync = on"
    if promise.full_page_writes == "off":
        yield "full_page_writes is off, so that a power cut can tear pages: set full_page_writes = on"
    if promise.synchronous_commit == "off":
        yield (
            "synchronous_commit is off for the server, this role or this database, so that a crash loses what was "
            "acknowledged: set synchronous_commit = on"
        )
    if promise.read_only:
        yield "it takes no writes (a standby in recovery, or read-only by setting): name the primary"
    if promise.encoding != "UTF8":
        yield f"its encoding is {promise.encoding}: create the database with ENCODING 'UTF8'"
