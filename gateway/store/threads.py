"""The threads between the event loop and a database: each owns one connection and takes its work from a queue.

A transaction is one synchronous function on one thread: a caller that is cancelled cannot leave it half done.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.store.batch import Job, Session, fail_all, run_reading, run_together
from gateway.store.interface import JournalUnavailable, Transaction

T = TypeVar("T")
PATIENCE = 3.0  # seconds that a job may wait for a connection
ALONE_SECONDS = 5.0  # how long nobody shares a commit after those who did stood in others' way
# Turns of the event loop in which writes gather before they are handed over. While little happens a turn costs a few
# microseconds, and under load it brings many more: at 32 payouts at once a seventh of the process's time is saved.
TURNS = 8


class Line:
    """Jobs that wait, for any number of threads."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def put(self, job: Job) -> None:
        self._jobs.put(job)

    def end(self) -> None:
        self._jobs.put(None)

    def take(self, most: int) -> list[Job]:
        """Waits for one job, then takes what else waits already. Nothing: the end was asked for."""
        taken: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            taken.append(job)
            if len(taken) >= most:
                return taken
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return taken
        self._jobs.put(None)  # for the other threads, and for this one's next turn
        return taken


class ThreadedStore:
    """A journal engine over sessions, each with a thread of its own."""

    def __init__(self, writers: Sequence[Session], readers: Sequence[Session], most: int) -> None:
        self._writes, self._reads = Line(), Line()
        self._gathered: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        self._closed = False
        self._most = most  # jobs under one commit
        self._threads = [threading.Thread(target=self._write_all, args=(each,), daemon=True) for each in writers]
        self._threads += [threading.Thread(target=self._read_all, args=(each,), daemon=True) for each in readers]
        for number, thread in enumerate(self._threads):
            thread.name = f"journal-{number}"
            thread.start()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Runs one function as one transaction. Raises what it raised, StatementRefused or JournalUnavailable."""
        return await self._submit(self._gather, work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Runs one function on one snapshot of the journal; it cannot write."""
        return await self._submit(self._reads.put, work)

    async def close(self) -> None:
        """Finishes what was handed in, then closes the connections."""
        self._closed = True
        for loop in list(self._gathered):
            self._hand_over(loop, 0)
        self._writes.end()
        self._reads.end()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def _submit(self, put: Callable[[Job], None], work: Callable[[Transaction], T]) -> T:
        if self._closed:
            raise JournalUnavailable("the journal is closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        put(Job(work, done, loop))
        return await done

    def _gather(self, job: Job) -> None:
        gathered = self._gathered.setdefault(job.loop, [])
        gathered.append(job)
        if len(gathered) == 1:
            job.loop.call_soon(self._hand_over, job.loop, TURNS)

    def _hand_over(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns:
            loop.call_soon(self._hand_over, loop, turns - 1)
        else:
            for job in self._gathered.pop(loop, ()):
                self._writes.put(job)

    def _write_all(self, session: Session) -> None:
        alone_until = 0.0
        while jobs := self._writes.take(self._share(session, alone_until)):
            for first in range(0, len(jobs), self._most):
                if not _guarded(run_together, session, jobs[first : first + self._most]):
                    alone_until = time.monotonic() + ALONE_SECONDS
                if session.lost():
                    fail_all(jobs[first + self._most :], JournalUnavailable("there is no connection to the journal"))
                    break
            _report(jobs)
        session.close()

    def _share(self, session: Session, alone_until: float) -> int:
        """How many jobs to take. Without a connection all: one attempt to make it then answers for everyone."""
        if session.lost():
            return sys.maxsize
        return 1 if time.monotonic() < alone_until else self._most

    def _read_all(self, session: Session) -> None:
        while jobs := self._reads.take(1):
            _guarded(run_reading, session, jobs)
            _report(jobs)
        session.close()


def _guarded(run: Callable[[Session, Sequence[Job], float], bool], session: Session, jobs: Sequence[Job]) -> bool:
    """Whatever happens, everyone gets an answer and the thread goes on."""
    try:
        return run(session, jobs, jobs[0].handed_in + PATIENCE)
    except BaseException as error:
        session.rollback()
        fail_all(jobs, error)
        return True


def _report(jobs: Sequence[Job]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = defaultdict(list)
    for job in jobs:
        loops[job.loop].append(job)
    for loop, waiting in loops.items():
        try:
            loop.call_soon_threadsafe(_report_here, waiting)
        except RuntimeError:  # the loop is closed: nobody waits any more, and the commit stands
            continue


def _report_here(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.report()
