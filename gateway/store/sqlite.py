"""The journal on SQLite: one file, one writer thread, many transactions under one commit.

Measured on prototypes: a commit with `synchronous=FULL` costs one fdatasync; grouping what waits shares it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from gateway.store.batch import Broken, Purpose
from gateway.store.filesystem import MOUNTS, network_type
from gateway.store.interface import Dialect, Row, StatementRefused
from gateway.store.interface import JournalRefused as JournalRefused
from gateway.store.schema import migrate, require_latest
from gateway.store.threads import ThreadedStore

GROUP_MOST = 256  # transactions under one commit
BUSY_MS = 5000  # no gateway ever waits that long: only commands that read are beside it
OLDEST = (3, 51, 3)  # before it, two connections that write or checkpoint at once could corrupt a WAL

DIALECT = Dialect(
    name="sqlite",
    now="CAST(ROUND(unixepoch('subsec') * 1000) AS INTEGER)",
    skip_locked="",
    autonumber="INTEGER PRIMARY KEY",
    has_table="SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
)
_READING = ("query_only = ON",)
_WRITING = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "fullfsync = ON",
    "foreign_keys = ON",
    "temp_store = MEMORY",  # or each statement that may be undone in part opens a file for it
    "cache_size = -4000",  # KiB: where a key's place is looked up
    "wal_autocheckpoint = 4000",  # pages: most are written again before that
)
STATEMENTS = 512  # apsw forgets the oldest prepared one whenever any is given back, however few there are
_BEGIN = {
    Purpose.TOGETHER: "BEGIN IMMEDIATE",
    Purpose.ALONE: "BEGIN IMMEDIATE",
    Purpose.READ: "BEGIN",
    Purpose.MIGRATE: "BEGIN EXCLUSIVE",
}
_STATEMENT_ERRORS = (
    apsw.ConstraintError,
    apsw.SQLError,
    apsw.MismatchError,
    apsw.TooBigError,
    apsw.RangeError,
    apsw.BindingsError,
)


class SqliteStore(ThreadedStore):
    """One file. A second gateway on the same file is refused: it holds the lock for as long as it lives."""

    def __init__(self, path: Path, *, version: str | None = None, mounts: Path = MOUNTS) -> None:
        self.path = path.resolve()  # two names of one file must find one lock
        _refuse_old(version or apsw.sqlite_lib_version())
        _refuse_network(self.path, mounts)
        _make_folder(self.path.parent)
        self._lock = _exclusive(self.path)
        try:
            writer = Session(self.path)
            migrate(writer)
        except BaseException:
            self._lock.close()
            raise
        super().__init__([writer], [Session(self.path, reading=True)], GROUP_MOST)

    async def close(self) -> None:
        await super().close()
        self._lock.close()


class ReadOnlySqlite(ThreadedStore):
    """For commands: it reads beside a running gateway and takes no lock."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise JournalRefused(f"{path}: there is no journal here. Is the URL right, and has the gateway run?")
        session = Session(path.resolve(), reading=True, flags=apsw.SQLITE_OPEN_READONLY)
        try:
            require_latest(session)
        except BaseException:
            session.close()
            raise
        super().__init__([], [session], 1)

    async def write(self, work: object) -> Any:
        raise JournalRefused("the journal is open for reading only")


class Session:
    """One connection to the file."""

    dialect = DIALECT

    def __init__(self, path: Path, *, reading: bool = False, flags: int | None = None) -> None:
        self._path = path
        self._reading = reading
        self._flags = flags if flags is not None else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        self._connection: apsw.Connection | None = self._opened()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        if self._connection is None:
            raise Broken("the journal's file is not open")
        try:
            return list(self._connection.execute(sql, tuple(parameters)))
        except apsw.Error as error:
            raise _noun(error) from None

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if self._connection is None:
            raise Broken("the journal's file is not open")
        try:
            self._connection.executemany(sql, rows)
        except apsw.Error as error:
            raise _noun(error) from None

    def begin(self, purpose: Purpose, before: float) -> None:
        if self._connection is None:
            try:
                self._connection = self._opened()
            except JournalRefused as error:
                raise Broken(str(error)) from None
        self.execute(_BEGIN[purpose])

    def wait_little(self) -> None:
        """There is one writer: nobody waits."""

    def whole(self) -> bool:
        return self._connection is not None and not self._connection.getautocommit()

    def commit(self) -> None:
        try:
            self.execute("COMMIT")
        except StatementRefused as error:
            raise Broken(f"the journal could not commit: {error}") from None

    def rollback(self) -> None:
        if not self.whole():
            return
        try:
            self.execute("ROLLBACK")
        except (Broken, StatementRefused):
            self.close()

    def lost(self) -> bool:
        return self._connection is None

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(apsw.Error):
                self._connection.close()
            self._connection = None

    def _opened(self) -> apsw.Connection:
        try:
            connection = apsw.Connection(str(self._path), flags=self._flags, statementcachesize=STATEMENTS)
            try:
                connection.setbusytimeout(BUSY_MS)
                _set_up(connection, self._path, self._reading)
            except BaseException:
                connection.close()
                raise
        except apsw.Error as error:
            raise JournalRefused(f"{self._path} cannot be used as a journal: {type(error).__name__}: {error}") from None
        return connection


def _noun(error: apsw.Error) -> Exception:
    """The journal's own error. Its text holds no value of a row."""
    text = type(error).__name__
    if isinstance(error, _STATEMENT_ERRORS):
        return StatementRefused(f"SQLite refused a statement: {text}")
    return Broken(f"SQLite could not go on: {text}")


def _set_up(connection: apsw.Connection, path: Path, reading: bool) -> None:
    for pragma in _READING if reading else _WRITING:
        connection.execute(f"PRAGMA {pragma}")
    mode, synchronous = connection.pragma("journal_mode"), connection.pragma("synchronous")
    if not reading:
        require_durable(path, str(mode), int(synchronous))


def require_durable(path: Path, mode: str, synchronous: int) -> None:
    """What the file really took, whatever it was told. Raises JournalRefused."""
    if mode != "wal" or synchronous != 2:
        raise JournalRefused(
            f"{path}: its file system does not support SQLite's WAL with synchronous=FULL. "
            "Use a local disk, or PostgreSQL."
        )


def _refuse_old(version: str) -> None:
    if tuple(int(part) for part in version.split(".")) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise JournalRefused(f"SQLite {version} can corrupt a journal in WAL mode: install an apsw with {wanted}")


def _refuse_network(path: Path, mounts: Path) -> None:
    kind = network_type(path, mounts)
    if kind is not None:
        raise JournalRefused(
            f"{path} is on a network file system ({kind}), where SQLite can lose what it committed. "
            "Use a local disk, or PostgreSQL."
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalRefused(f"{folder} cannot be made: {error.strerror}. Choose another folder.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise JournalRefused(f"{folder} is not writable for this user. Change its owner, or choose another folder.")


def _exclusive(path: Path) -> apsw.Connection:
    """A lock that dies with its process, whatever kills it."""
    lock = None
    try:
        lock = apsw.Connection(f"{path}.lock")
        for statement in ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"):
            list(lock.execute(statement))  # apsw stops at the first row that nobody takes
    except apsw.BusyError:
        if lock is not None:
            lock.close()
        raise JournalRefused(
            f"{path} is in use by another gateway. Stop it first, or use PostgreSQL to run several."
        ) from None
    except apsw.Error as error:
        raise JournalRefused(f"{path}.lock cannot be locked: {error}. Choose another folder.") from None
    return lock
