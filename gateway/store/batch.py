"""Many functions under one commit, and none of them at its neighbours' mercy."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from gateway.store.interface import Dialect, JournalUnavailable, PutOff, Row, StatementRefused, Transaction

LONE_TRIES = 5  # of a function that keeps losing to other transactions


class Contended(Exception):
    """Lost to another transaction, by a lock or a deadlock. It may be tried again, alone."""


class Broken(JournalUnavailable):
    """The transaction as a whole is gone."""


class Purpose(Enum):
    """What a transaction is begun for; an engine may set its waits and locks by it."""

    TOGETHER = "together"
    ALONE = "alone"
    READ = "read"
    MIGRATE = "migrate"


class Session(Protocol):
    """One connection, used by one thread at a time. Its statements raise Contended, Broken or StatementRefused."""

    @property
    def dialect(self) -> Dialect: ...

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]: ...

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None: ...

    def begin(self, purpose: Purpose, before: float) -> None:
        """Begins a transaction; connects first if it must, until `before` (monotonic). Raises Broken."""

    def wait_little(self) -> None:
        """From here on the transaction gives up on a lock soon: others may be waiting for what it holds."""

    def whole(self) -> bool:
        """A transaction is under way that nothing has spoilt: its commit may be asked for."""

    def commit(self) -> None:
        """Raises Broken: then nobody knows whether it happened."""

    def rollback(self) -> None:
        """Never raises; gives the connection up if it must."""

    def lost(self) -> bool:
        """The connection is gone; the next `begin` makes another."""

    def close(self) -> None: ...


class Lent:
    """The transaction as functions see it. Those that share one share its clock, and what they put off."""

    def __init__(self, session: Session) -> None:
        self.dialect = session.dialect
        self.execute = session.execute
        self.execute_many = session.execute_many
        self._now: int | None = None
        self._later: dict[PutOff, list[Any]] = {}

    def now(self) -> int:
        if self._now is None:
            self._now = int(self.execute(f"SELECT {self.dialect.now}")[0][0])
        return self._now

    def later(self, write: PutOff, item: Any) -> None:
        self._later.setdefault(write, []).append(item)

    def finish(self) -> None:
        """Writes what was put off."""
        for write, items in self._later.items():
            write(self, items)


@dataclass(slots=True, eq=False)
class Job:
    """One function that waits for its turn, and whoever waits for it."""

    work: Callable[[Transaction], Any]
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    handed_in: float = field(default_factory=time.monotonic)
    result: Any = None
    error: BaseException | None = None

    def run(self, session: Session) -> None:
        """By itself: what it puts off is written at its own end."""
        tx = Lent(session)
        self.result = self.work(tx)
        tx.finish()

    def fail(self, error: BaseException) -> None:
        """Each job gets an error of its own: a shared one would gather the tracebacks of all who await it."""
        self.error = JournalUnavailable(str(error))

    def report(self) -> None:
        if self.done.done():
            return
        if isinstance(self.error, StopIteration) or not isinstance(self.error, Exception | None):
            # A future cannot carry the one, and would take the others for its own cancellation.
            self.done.set_exception(RuntimeError(f"a transaction raised {type(self.error).__name__}"))
        elif self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.result)


def run_together(session: Session, jobs: Sequence[Job], before: float) -> bool:
    """Runs all jobs under one commit. Where one fails, all are run again, and none is at its neighbours' mercy.

    False where it came to waiting for others' locks.
    """
    if len(jobs) == 1:
        run_alone(session, jobs[0], before)
        return True
    try:
        session.begin(Purpose.TOGETHER, before)
    except Broken as error:
        fail_all(jobs, error)
        return True
    try:
        _run_as_one(session, jobs)
    except BaseException:  # whose it is shows when each has a savepoint
        session.rollback()
        return _run_in_savepoints(session, jobs, before)
    _commit(session, jobs)
    return True


def _run_as_one(session: Session, jobs: Sequence[Job]) -> None:
    tx = Lent(session)
    for number, job in enumerate(jobs):
        job.result = job.work(tx)
        if number == 0:
            session.wait_little()
    tx.finish()
    if not session.whole():  # a job has swallowed its error
        raise Broken("the transaction was not whole at its end")


def _run_in_savepoints(session: Session, jobs: Sequence[Job], before: float) -> bool:
    """Runs each job in a savepoint, all under one commit, up to the first that would have to wait for a lock.

    That one and the rest run alone: who waits should hold nothing that others wait for. False where it came to that.
    """
    ran = 0
    if not session.lost():
        ran = _run_until_contended(session, jobs, before)
        _commit(session, jobs[:ran])
    _run_each_alone(session, jobs[ran:], before)
    return ran == len(jobs)


def run_alone(session: Session, job: Job, before: float) -> None:
    """Runs one job in a transaction of its own, again where it lost to another one."""
    for tries in range(LONE_TRIES):
        try:
            session.begin(Purpose.ALONE, before)
            job.run(session)
        except Contended as error:
            session.rollback()
            job.fail(error)
            time.sleep(random.uniform(0, 0.02 * 2**tries))  # noqa: S311  # or both sides of a deadlock meet again
        except BaseException as error:
            session.rollback()
            job.error = JournalUnavailable(str(error)) if isinstance(error, Broken) else error
            return
        else:
            job.error = None
            _commit(session, [job])
            return


def fail_all(jobs: Sequence[Job], error: BaseException) -> None:
    for job in jobs:
        job.fail(error)


def run_reading(session: Session, jobs: Sequence[Job], before: float) -> bool:
    """Runs each job on a snapshot of its own."""
    for job in jobs:
        _read(session, job, before)
    return True


def _read(session: Session, job: Job, before: float) -> None:
    """Once more on a fresh connection, where the first one broke."""
    for _ in range(2):
        try:
            session.begin(Purpose.READ, before)
            job.run(session)
            session.commit()
        except (Broken, Contended) as error:
            session.rollback()
            session.close()
            job.fail(error)
        except BaseException as error:
            session.rollback()
            job.error = error
            return
        else:
            job.error = None
            return


def _run_until_contended(session: Session, jobs: Sequence[Job], before: float) -> int:
    """How many ran; the transaction holds what they wrote, or is rolled back where none counts."""
    ran = 0
    try:
        session.begin(Purpose.TOGETHER, before)
        for job in jobs:
            if not _ran_beside_others(session, job):
                break
            ran += 1
            if ran == 1:
                session.wait_little()
    except Broken:  # no commit was asked for, so nothing happened
        session.rollback()
        return 0
    return ran


def _ran_beside_others(session: Session, job: Job) -> bool:
    """False where the job lost to another transaction. Its own failure undoes its own writes only."""
    _control(session, "SAVEPOINT job")
    try:
        job.run(session)
        session.execute("RELEASE SAVEPOINT job")
    except Broken:
        raise
    except BaseException as error:
        _control(session, "ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job")
        if isinstance(error, Contended):
            return False
        job.error = error
    return True


def _control(session: Session, sql: str) -> None:
    try:
        session.execute(sql)
    except (StatementRefused, Contended) as error:
        raise Broken(str(error)) from None


def _run_each_alone(session: Session, jobs: Sequence[Job], before: float) -> None:
    for number, job in enumerate(jobs):
        if session.lost():
            return fail_all(jobs[number:], Broken("the connection to the journal was lost"))
        run_alone(session, job, before)
    return None


def _commit(session: Session, jobs: Sequence[Job]) -> None:
    if not jobs:
        return session.rollback()
    try:
        session.commit()
    except Broken as error:
        session.rollback()
        fail_all(jobs, error)
    return None
