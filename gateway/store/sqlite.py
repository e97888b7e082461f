"""The journal on SQLite: one file, one writer thread, many transactions under one commit.

Measured on prototypes: a commit with `synchronous=FULL` costs one fdatasync; grouping what waits shares it, and
a function that fails rolls back to its own savepoint, never its neighbours.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import apsw

from gateway.store.journal import JournalUnavailable, Row, Transaction

T = TypeVar("T")
SCHEMA_VERSION = 1
GROUP_MOST = 256  # transactions under one commit


class JournalRefused(Exception):
    """The journal cannot keep its promise here; the text says why and what would."""


@dataclass(slots=True)
class _Job:
    work: Callable[[Transaction], Any]
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None

    def report(self) -> None:
        if self.done.cancelled():
            return
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.result)


class _Cursor:
    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return list(self.connection.execute(sql, tuple(parameters)))


class SqliteStore:
    """One file. A second gateway on the same file is refused: it holds the lock for as long as it lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _exclusive(path)
        self._writer = _open(path)
        _migrate(self._writer)
        self._reader = _open(path)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._reads: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = (
            threading.Thread(target=self._write_all, name="journal-writer", daemon=True),
            threading.Thread(target=self._read_all, name="journal-reader", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Runs one function as one transaction. Raises what it raised, or JournalUnavailable."""
        return await self._submit(self._jobs, work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._submit(self._reads, work)

    async def close(self) -> None:
        """Finishes what was handed in, then closes the file."""
        self._jobs.put(None)
        self._reads.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._reader.close()
        self._writer.close()
        self._lock.close()

    async def _submit(self, jobs: queue.SimpleQueue[_Job | None], work: Callable[[Transaction], T]) -> T:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        jobs.put(_Job(work, done, loop))
        return await done

    def _write_all(self) -> None:
        cursor = _Cursor(self._writer)
        running = True
        while running:
            batch, running = _take(self._jobs)
            if batch:
                self._commit(cursor, batch)
                _report(batch)

    def _commit(self, cursor: _Cursor, batch: list[_Job]) -> None:
        try:
            cursor.execute("BEGIN IMMEDIATE")
            for job in batch:
                _run_in_savepoint(cursor, job)
            cursor.execute("COMMIT")
        except Exception as error:  # whatever it was, nobody may believe that his transaction is durable
            if not self._writer.getautocommit():
                cursor.execute("ROLLBACK")
            for job in batch:
                job.error = JournalUnavailable(f"the journal could not commit: {type(error).__name__}")

    def _read_all(self) -> None:
        cursor = _Cursor(self._reader)
        while (job := self._reads.get()) is not None:
            try:
                job.result = job.work(cursor)
            except Exception as error:
                job.error = error
            _report([job])


def _take(jobs: queue.SimpleQueue[_Job | None]) -> tuple[list[_Job], bool]:
    """Waits for one job, then takes whatever else waits already. False: the end was asked for."""
    batch: list[_Job] = []
    job = jobs.get()
    while job is not None:
        batch.append(job)
        if len(batch) >= GROUP_MOST:
            return batch, True
        try:
            job = jobs.get_nowait()
        except queue.Empty:
            return batch, True
    return batch, False


def _run_in_savepoint(cursor: _Cursor, job: _Job) -> None:
    cursor.execute("SAVEPOINT job")
    try:
        job.result = job.work(cursor)
    except Exception as error:
        job.error = error
        cursor.execute("ROLLBACK TO job")
    cursor.execute("RELEASE job")


def _report(batch: list[_Job]) -> None:
    def report() -> None:
        for job in batch:
            job.report()

    try:
        batch[0].loop.call_soon_threadsafe(report)
    except RuntimeError:  # the loop is closed: nobody waits any more, and the commit stands
        return


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.setbusytimeout(5000)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    mode = connection.pragma("journal_mode")
    if mode != "wal" or connection.pragma("synchronous") != 2:
        raise JournalRefused(f"{path}: the file system does not support SQLite's WAL with synchronous=FULL")
    return connection


def _exclusive(path: Path) -> apsw.Connection:
    """A lock that dies with its process, whatever kills it."""
    lock = apsw.Connection(f"{path}.lock")
    try:
        lock.execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
    except apsw.BusyError:
        lock.close()
        raise JournalRefused(
            f"{path} is in use by another gateway. Stop it first, or use PostgreSQL to run several."
        ) from None
    return lock


def _migrate(connection: apsw.Connection) -> None:
    version = connection.pragma("user_version")
    if version > SCHEMA_VERSION:
        raise JournalRefused(f"the journal has schema {version}; this gateway knows up to {SCHEMA_VERSION}")
    for number in range(version + 1, SCHEMA_VERSION + 1):
        script = files("gateway.store").joinpath(f"migrations/{number:04d}.sql").read_text("utf-8")
        with connection:
            connection.execute(script)
            connection.pragma("user_version", number)
