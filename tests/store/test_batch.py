"""Who shares a commit with whom, told by a session that only takes notes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.store import threads
from gateway.store.batch import Broken, Contended, Purpose
from gateway.store.interface import JournalUnavailable, Row, StatementRefused, Transaction
from gateway.store.journal import now
from gateway.store.postgres import DIALECT
from gateway.store.threads import ThreadedStore

pytestmark = pytest.mark.anyio


class Notes:
    """A session that does what the test says and remembers the order of everything."""

    dialect = DIALECT

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.spoilt: list[bool] = []
        self.answer: list[Row] = []
        self.fails: dict[str, list[Exception]] = {}

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        self._note(sql)
        return self.answer

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._note(f"{sql} {len(rows)}")

    def begin(self, purpose: Purpose, before: float) -> None:
        self._note(f"begin {purpose.value}")

    def wait_little(self) -> None:
        self._note("wait little")

    def whole(self) -> bool:
        return not self.spoilt.pop() if self.spoilt else True

    def commit(self) -> None:
        self._note("commit")

    def rollback(self) -> None:
        self._note("rollback")

    def lost(self) -> bool:
        return False

    def close(self) -> None:
        self._note("close")

    def _note(self, text: str) -> None:
        self.taken.append(text)
        if self.fails.get(text):
            raise self.fails[text].pop(0)


async def run(session: Notes, *works: str | Callable[[Transaction], Any]) -> list[Any]:
    """Each word is one statement; all wait while the writer is busy with the first."""
    store = ThreadedStore([session], [], 10)
    gate = threading.Event()
    blocker = asyncio.ensure_future(store.write(lambda tx: gate.wait(5)))
    await asyncio.sleep(0.01)
    waiting = [asyncio.ensure_future(store.write(_saying(work) if isinstance(work, str) else work)) for work in works]
    await asyncio.sleep(0)
    gate.set()
    await blocker
    session.taken = session.taken[2:]  # the blocker's own transaction
    results = await asyncio.gather(*waiting, return_exceptions=True)
    await store.close()
    return results


def _saying(text: str) -> Callable[[Any], str]:
    def work(tx: Any) -> str:
        tx.execute(text)
        return text

    return work


def putting_off(item: str) -> Callable[[Transaction], None]:
    return lambda tx: tx.later(_written, item)


def _written(tx: Transaction, items: list[str]) -> None:
    tx.execute_many("put off", [(item,) for item in items])


def kept(session: Notes) -> list[str]:
    return [text for text in session.taken if "SAVEPOINT" not in text]


async def test_those_who_wait_share_a_commit_and_wait_for_locks_only_at_first() -> None:
    session = Notes()
    assert await run(session, "a", "b", "c") == ["a", "b", "c"]
    assert kept(session) == ["begin together", "a", "wait little", "b", "c", "commit", "close"]


class Begins(Notes):
    """A session that tells when its first transaction begins."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def begin(self, purpose: Purpose, before: float) -> None:
        super().begin(purpose, before)
        self.begun.set()


async def test_writes_that_come_within_a_few_turns_of_the_loop_share_a_commit() -> None:
    session = Begins()
    store = ThreadedStore([session], [], 10)
    first = asyncio.ensure_future(store.write(_saying("a")))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not session.begun.wait(0.05)  # the thread had its time, and nothing to do
    assert await asyncio.gather(first, store.write(_saying("b"))) == ["a", "b"]
    assert session.taken.count("commit") == 1
    await store.close()


async def test_a_write_that_is_still_being_gathered_is_done_before_the_end() -> None:
    session = Notes()
    store = ThreadedStore([session], [], 10)
    gathered = asyncio.ensure_future(store.write(_saying("a")))
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.wait_for(gathered, 5) == "a"


async def test_one_who_fails_has_all_run_again_apart_and_is_told_alone() -> None:
    session = Notes()
    session.fails["b"] = [StatementRefused("no"), StatementRefused("no")]
    a, b, c = await run(session, "a", "b", "c")
    assert (a, type(b), c) == ("a", StatementRefused, "c")
    assert session.taken == [
        *("begin together", "a", "wait little", "b", "rollback", "begin together"),
        *("SAVEPOINT job", "a", "RELEASE SAVEPOINT job", "wait little"),
        *("SAVEPOINT job", "b", "ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job"),
        *("SAVEPOINT job", "c", "RELEASE SAVEPOINT job", "commit", "close"),
    ]


async def test_a_job_that_spoils_the_transaction_in_silence_has_all_run_again_apart() -> None:
    session = Notes()
    session.spoilt = [True]
    assert await run(session, "a", "b") == ["a", "b"]
    assert kept(session) == [
        *("begin together", "a", "wait little", "b", "rollback"),
        *("begin together", "a", "wait little", "b", "commit", "close"),
    ]


async def test_what_is_put_off_is_written_once_for_all_who_share_the_commit() -> None:
    session = Notes()
    assert await run(session, putting_off("x"), "a", putting_off("y")) == [None, "a", None]
    assert session.taken == ["begin together", "wait little", "a", "put off 2", "commit", "close"]


async def test_who_fails_leaves_nothing_behind_of_what_he_put_off() -> None:
    session = Notes()

    def fails(tx: Transaction) -> None:
        putting_off("x")(tx)
        raise ZeroDivisionError

    assert [type(each) for each in await run(session, fails, putting_off("y"))] == [ZeroDivisionError, type(None)]
    assert [text for text in session.taken if text.startswith("put off")] == ["put off 1"]


async def test_what_cannot_be_written_at_the_end_is_its_own_jobs_failure() -> None:
    session = Notes()
    session.fails["put off 2"] = [StatementRefused("no")]
    session.fails["put off 1"] = [StatementRefused("no")]
    results = await run(session, putting_off("x"), putting_off("y"))
    assert [type(each) for each in results] == [StatementRefused, type(None)]


async def test_the_databases_clock_is_asked_once_a_transaction() -> None:
    session = Notes()
    session.answer = [(7,)]
    assert await run(session, now, now) == [7, 7]
    assert [text for text in session.taken if text.startswith("SELECT")] == [f"SELECT {DIALECT.now}"]


async def test_who_meets_a_lock_ends_the_sharing_and_goes_on_alone() -> None:
    session = Notes()
    session.fails["b"] = [Contended("a lock"), Contended("a lock")]
    assert await run(session, "a", "b", "c") == ["a", "b", "c"]
    assert kept(session) == [
        *("begin together", "a", "wait little", "b", "rollback"),
        *("begin together", "a", "wait little", "b", "commit"),
        *("begin alone", "b", "commit", "begin alone", "c", "commit", "close"),
    ]


async def test_a_commit_that_errs_is_told_to_all_who_shared_it_each_with_an_error_of_his_own() -> None:
    session = Notes()
    session.wait_little = lambda: session.fails.update(commit=[Broken("power cut")])  # type: ignore[method-assign]
    results = await run(session, "a", "b", "c")
    assert [type(result) for result in results] == [JournalUnavailable] * 3
    assert len({id(result) for result in results}) == 3
    assert kept(session) == ["begin together", "a", "b", "c", "commit", "rollback", "close"]


async def test_a_transaction_that_breaks_before_its_commit_is_run_again_one_by_one() -> None:
    session = Notes()
    session.fails["b"] = [Broken("disk full"), Broken("disk full")]
    assert await run(session, "a", "b", "c") == ["a", "b", "c"]
    assert kept(session) == [
        *("begin together", "a", "wait little", "b", "rollback"),
        *("begin together", "a", "wait little", "b", "rollback", "rollback"),
        *("begin alone", "a", "commit", "begin alone", "b", "commit", "begin alone", "c", "commit", "close"),
    ]


async def test_after_a_lock_was_met_nobody_shares_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[list[str]] = []
    for seconds in (60.0, 0.0):
        monkeypatch.setattr(threads, "ALONE_SECONDS", seconds)
        session = Notes()
        session.fails["b"] = [Contended("a lock"), Contended("a lock")]
        store = ThreadedStore([session], [], 10)
        for _ in range(2):
            gate = threading.Event()
            blocker = asyncio.ensure_future(store.write(lambda tx, gate=gate: gate.wait(5)))  # type: ignore[misc]
            await asyncio.sleep(0.01)
            waiting = [asyncio.ensure_future(store.write(_saying(text))) for text in ("a", "b")]
            await asyncio.sleep(0)
            gate.set()
            await asyncio.gather(blocker, *waiting)
        shares.append([text for text in session.taken if text.startswith("begin")])
        await store.close()
    assert shares[0].count("begin together") == 2  # as one, then in savepoints
    assert shares[1].count("begin together") == 3


class Away(Notes):
    """A server that cannot be reached, and a network that takes its time to say so."""

    def begin(self, purpose: Purpose, before: float) -> None:
        self._note("connecting")
        time.sleep(0.05)
        raise Broken("no answer")

    def lost(self) -> bool:
        return True


async def test_one_vain_attempt_to_connect_answers_for_all_who_wait() -> None:
    session = Away()
    store = ThreadedStore([session], [], 10)
    works = [asyncio.ensure_future(store.write(_saying("a"))) for _ in range(200)]
    results = await asyncio.gather(*works, return_exceptions=True)
    assert {type(result) for result in results} == {JournalUnavailable}
    assert len(session.taken) <= 3
    await store.close()
