"""Many transactions under one commit: each fails alone, and nobody is told of a commit that did not happen."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from gateway.store.interface import JournalUnavailable, StatementRefused, Store, Transaction
from gateway.store.journal import accept, add_attempt
from tests.store.records import attempt, ids, operation, put

pytestmark = pytest.mark.anyio
T = TypeVar("T")


class Odd(Exception):
    """What a function of the engine may raise."""


async def together(store: Store, works: list[Callable[[Transaction], Any]]) -> list[Any]:
    """Hands all in while every writer is busy, so that they share commits."""
    gate = threading.Event()
    blockers = [asyncio.ensure_future(store.write(lambda tx: gate.wait())) for _ in range(8)]
    await asyncio.sleep(0.02)
    waiting = [asyncio.ensure_future(store.write(work)) for work in works]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*blockers)
    return await asyncio.gather(*waiting, return_exceptions=True)


def accepting(wanted: Any) -> Callable[[Transaction], Any]:
    return lambda tx: accept(tx, wanted, attempt(wanted))


def raising(error: BaseException, wanted: Any) -> Callable[[Transaction], Any]:
    def work(tx: Transaction) -> None:
        accept(tx, wanted, None)
        raise error

    return work


async def test_one_failing_job_among_many_fails_alone_and_leaves_nothing(store: Store) -> None:
    good = [operation() for _ in range(40)]
    works = [accepting(each) for each in good]
    broken = operation()
    works[3:3] = [raising(Odd("mine"), operation())]
    works[17:17] = [lambda tx: add_attempt(tx, attempt(broken))]  # no such operation: the database refuses it
    works[29:29] = [lambda tx: tx.execute("SELECT nothing FROM nowhere")]
    results = await together(store, works)
    assert [type(result) for result in results if isinstance(result, Exception)] == [
        Odd,
        StatementRefused,
        StatementRefused,
    ]
    assert await ids(store) == {each.id for each in good}


async def test_a_job_that_swallows_a_refused_statement_hurts_nobody_else(store: Store, engine: str) -> None:
    good = [operation() for _ in range(10)]
    careless = operation()

    def swallow(tx: Transaction) -> None:
        accept(tx, careless, attempt(careless))
        with contextlib.suppress(StatementRefused):
            tx.execute("SELECT nothing FROM nowhere")

    works = [accepting(each) for each in good]
    works[5:5] = [swallow]
    results = await together(store, works)
    expected = {each.id for each in good}
    if engine == "postgresql":  # its transaction is spoilt by then; nobody may be told that it was committed
        assert isinstance(results[5], JournalUnavailable)
    else:
        expected.add(careless.id)
    assert await ids(store) == expected


async def test_a_job_that_ends_its_own_transaction_is_not_told_that_it_is_durable(store: Store) -> None:
    def rogue(tx: Transaction) -> None:
        tx.execute("ROLLBACK")

    with pytest.raises(JournalUnavailable):
        await store.write(rogue)
    wanted = operation()
    await put(store, wanted)
    assert await ids(store) == {wanted.id}


@pytest.mark.parametrize("error", [asyncio.CancelledError, StopIteration, SystemExit])
async def test_whatever_a_job_raises_the_writer_goes_on(store: Store, error: type[BaseException]) -> None:
    good = [operation() for _ in range(4)]
    works = [accepting(each) for each in good]
    works[2:2] = [raising(error(), operation())]
    results = await together(store, works)
    assert [str(result) for result in results if isinstance(result, RuntimeError)] == [
        f"a transaction raised {error.__name__}"
    ]
    assert await ids(store) == {each.id for each in good}


async def test_a_commit_that_errs_is_never_reported_as_done(store: Store, engine: str) -> None:
    orphan = operation()

    def refused_at_commit(tx: Transaction) -> None:
        if engine == "sqlite":
            tx.execute("PRAGMA defer_foreign_keys = ON")
            add_attempt(tx, attempt(orphan))
        else:
            tx.execute("CREATE TABLE late (n INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)")
            tx.execute("INSERT INTO late VALUES (1), (1)")

    results = await together(store, [refused_at_commit] + [accepting(operation()) for _ in range(3)])
    told = [result for result in results if not isinstance(result, JournalUnavailable)]
    assert isinstance(results[0], JournalUnavailable)
    assert await ids(store) == {accepted.operation.id for accepted in told}
    wanted = operation()
    await put(store, wanted)
    assert wanted.id in await ids(store)


async def test_hanging_up_does_not_undo_a_write(store: Store) -> None:
    gate = threading.Event()
    wanted = operation()

    def slow(tx: Transaction) -> None:
        accept(tx, wanted, None)
        gate.wait(5)

    task = asyncio.ensure_future(store.write(slow))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await put(store, operation())
    while wanted.id not in await ids(store):
        await asyncio.sleep(0.005)


async def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises((StatementRefused, JournalUnavailable)):
        await store.read(lambda tx: accept(tx, operation(), None))
    assert await ids(store) == set()


async def test_a_read_sees_one_moment(store: Store) -> None:
    first = operation()
    await put(store, first)
    begun, written = threading.Event(), threading.Event()

    def twice(tx: Transaction) -> tuple[int, int]:
        before = tx.execute("SELECT COUNT(*) FROM operation")[0][0]
        begun.set()
        written.wait(5)
        return before, tx.execute("SELECT COUNT(*) FROM operation")[0][0]

    reading = asyncio.ensure_future(store.read(twice))
    await asyncio.to_thread(begun.wait, 5)
    await put(store, operation())
    written.set()
    assert await reading == (1, 1)


async def test_closing_finishes_what_was_handed_in_and_refuses_the_rest(store: Store) -> None:
    wanted = [operation() for _ in range(30)]
    writing = [asyncio.ensure_future(put(store, each)) for each in wanted]
    await asyncio.sleep(0)
    await store.close()
    assert [accepted.operation.id for accepted in await asyncio.gather(*writing)] == [each.id for each in wanted]
    with pytest.raises(JournalUnavailable):
        await asyncio.wait_for(put(store, operation()), 10)


async def test_a_full_disk_fails_who_does_not_fit_and_nobody_else(store: Store, engine: str) -> None:
    if engine == "postgresql":  # its disk cannot be filled here: a text that no row can hold fails alike
        with pytest.raises((StatementRefused, JournalUnavailable)):
            await store.write(lambda tx: tx.execute("SELECT repeat('x', 2000000000)"))
        await put(store, operation())
        return
    pages = (await store.read(lambda tx: tx.execute("PRAGMA page_count")))[0][0]
    await store.write(lambda tx: tx.execute(f"PRAGMA max_page_count = {pages + 8}"))
    small, huge = [operation() for _ in range(4)], operation(request="x" * 400_000)
    works = [accepting(each) for each in small]
    works[2:2] = [accepting(huge)]
    results = await together(store, works)
    assert isinstance(results[2], JournalUnavailable)
    assert await ids(store) == {each.id for each in small}
