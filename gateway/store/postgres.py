"""The journal on PostgreSQL: any number of gateways over one database.

READ COMMITTED: an insert that meets another gateway's uncommitted row waits for it, then sees it.
An idle transaction ends by itself, so that a gateway which is paused in the middle of one holds nobody up for long.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper

from gateway.store.batch import Broken, Contended, Purpose
from gateway.store.interface import Dialect, JournalRefused, Row, StatementRefused
from gateway.store.marks import translated
from gateway.store.schema import migrate, require_latest
from gateway.store.server import refuse_unsafe
from gateway.store.threads import PATIENCE, ThreadedStore

GROUP_MOST = 48  # PostgreSQL tracks 64 subtransactions cheaply
WRITERS = 3
READERS = 2
MIGRATION_LOCK = 7_108_420_114  # any number, the same in every gateway

DIALECT = Dialect(
    name="postgresql",
    now="CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
    skip_locked="FOR UPDATE SKIP LOCKED",
    autonumber="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    has_table="SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass(?)",
)
# Against a network that is silent instead of closed.
_DEFAULTS: dict[str, Any] = {
    "application_name": "payout-gateway",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SETTINGS = "SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'"
_BEGIN = {
    Purpose.TOGETHER: "BEGIN ISOLATION LEVEL READ COMMITTED",
    Purpose.ALONE: "BEGIN ISOLATION LEVEL READ COMMITTED",
    Purpose.READ: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    Purpose.MIGRATE: "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '60s';"
    f" SELECT pg_advisory_xact_lock({MIGRATION_LOCK})",
}
_CONTENDED = frozenset({"40001", "40P01", "55P03"})  # serialisation, deadlock, lock timeout
_STATEMENT_ERRORS = (psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError)


class PostgresStore(ThreadedStore):
    """One database, which other gateways may share."""

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        first = Session(url)
        try:
            first.open(time.monotonic() + patience)
            migrate(first)
        except BaseException:
            first.close()
            raise
        writers = [first, *(Session(url) for _ in range(WRITERS - 1))]
        super().__init__(writers, [Session(url) for _ in range(READERS)], GROUP_MOST)


class ReadOnlyPostgres(ThreadedStore):
    """For commands: it reads, from a standby too."""

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        session = Session(url, reading=True)
        try:
            session.open(time.monotonic() + patience)
            require_latest(session)
        except BaseException:
            session.close()
            raise
        super().__init__([], [session], 1)

    async def write(self, work: object) -> Any:
        raise JournalRefused("the journal is open for reading only")


class Session:
    """One connection to the server, made anew when it is lost."""

    dialect = DIALECT

    def __init__(self, url: str, *, reading: bool = False) -> None:
        self._parameters = _parameters(url)
        self._reading = reading
        self._connection: psycopg.Connection[Row] | None = None

    def open(self, before: float) -> None:
        """Connects, with a back-off until `before`. Raises JournalRefused: unreachable, or not safe as a journal."""
        pause = 0.05
        while True:
            try:
                self._connection = self._connected()
            except psycopg.Error as error:
                if time.monotonic() + pause > before:
                    raise JournalRefused(f"{self._name()} cannot be reached: {_first_line(error)}") from None
            else:
                return
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(pause * 2, 1.0)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._run(translated(sql), parameters) if parameters else self._run(sql, None)

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Psycopg sends all of them before it waits for the answers."""
        if self._connection is None:
            raise Broken("there is no connection to PostgreSQL")
        try:
            self._connection.cursor().executemany(translated(sql), rows)
        except psycopg.Error as error:
            raise self._noun(error) from None

    def begin(self, purpose: Purpose, before: float) -> None:
        if not self.lost():
            try:
                self._run(_BEGIN[purpose], None)
            except Broken:
                if not self.lost():
                    raise
            else:
                return
        # Nothing has begun: a connection that died while it was idle costs nobody his transaction.
        try:
            self.open(before)
        except JournalRefused as error:
            raise Broken(str(error)) from None
        self._run(_BEGIN[purpose], None)

    def wait_little(self) -> None:
        self._run("SET LOCAL lock_timeout = '100ms'", None)

    def whole(self) -> bool:
        return self._status() is TransactionStatus.INTRANS

    def commit(self) -> None:
        if not self.whole():
            raise Broken("the transaction was not whole at its commit")  # COMMIT would roll back, and say nothing
        try:
            self._run("COMMIT", None)
        except (StatementRefused, Contended) as error:
            raise Broken(f"the journal could not commit: {error}") from None

    def rollback(self) -> None:
        if self.lost() or self._status() is TransactionStatus.IDLE:
            return
        try:
            self._run("ROLLBACK", None)
        except (Broken, StatementRefused, Contended):
            self.close()

    def lost(self) -> bool:
        return self._connection is None or self._connection.closed

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[Row]:
        self.close()
        connection: psycopg.Connection[Row] = psycopg.connect(**self._parameters, autocommit=True)
        try:
            connection.adapters.register_dumper(int, Int8Dumper)  # one type, one prepared statement
            # At every connection, not only the first: after a fail-over another server may answer.
            if not self._reading and refuse_unsafe(self._name(), connection) != "remote_apply":
                connection.execute("SET synchronous_commit = on")
            connection.execute(_SETTINGS)
        except BaseException:
            connection.close()
            raise
        return connection

    def _run(self, sql: str, parameters: Sequence[Any] | None) -> list[Row]:
        if self._connection is None:
            raise Broken("there is no connection to PostgreSQL")
        try:
            cursor = self._connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise self._noun(error) from None

    def _noun(self, error: psycopg.Error) -> Exception:
        """The journal's own error. Its text holds no value of a row: PostgreSQL's details would."""
        text = type(error).__name__
        if self.lost():
            return Broken(f"the connection to PostgreSQL was lost: {text}")
        if error.sqlstate in _CONTENDED:
            return Contended(f"PostgreSQL let another transaction go first: {text}")
        if isinstance(error, _STATEMENT_ERRORS):
            return StatementRefused(f"PostgreSQL refused a statement: {text}")
        return Broken(f"PostgreSQL could not go on: {text}")

    def _status(self) -> TransactionStatus:
        if self._connection is None:
            return TransactionStatus.UNKNOWN
        return self._connection.info.transaction_status

    def _name(self) -> str:
        """Where it is, without the password."""
        where = self._parameters.get("host") or "the local server"
        return f"PostgreSQL database {self._parameters.get('dbname', '')!r} at {where}"


def _parameters(url: str) -> dict[str, Any]:
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise JournalRefused("journal.url is not a PostgreSQL URL: postgresql://user@host:5432/database") from None
    if "," in str(given.get("host", "")):
        given.setdefault("target_session_attrs", "read-write")  # of several hosts, the one that takes writes
    return {**_DEFAULTS, **given}


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
