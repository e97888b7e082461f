"""Whatever is killed, what was acknowledged is there afterwards, and what was not is never claimed to be."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from gateway.store import threads
from gateway.store.interface import JournalUnavailable, Store
from gateway.store.journal import accept
from gateway.store.opening import open_store
from tests.servers import PostgresServer, postgres_server
from tests.store.records import attempt, get, ids, operation, put

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def mortal() -> Iterator[PostgresServer]:
    """A server that these tests kill."""
    with postgres_server() as server:
        yield server


def acknowledged_until_killed(url: str, first: int, acknowledged: int) -> set[str]:
    """Runs a writer, kills it in the middle of its batches, and returns what it had acknowledged."""
    command = [sys.executable, "-m", "tests.store.writer", url, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(acknowledged)]
        process.kill()
        seen += process.stdout.readlines()
    return {line.decode().strip() for line in seen if line.endswith(b"\n")}


async def test_a_gateway_killed_mid_batch_loses_nothing_acknowledged(journal_url: str, engine: str) -> None:
    acknowledged: set[str] = set()
    for run in range(3):
        before = len(acknowledged)
        acknowledged |= await asyncio.to_thread(acknowledged_until_killed, journal_url, run * 1_000_000, 150 + run)
        assert len(acknowledged) >= before + 150
    store = open_store(journal_url)  # the dead process's lock is gone with it
    assert acknowledged - await ids(store) == set()
    if engine == "sqlite":
        assert (await store.read(lambda tx: tx.execute("PRAGMA integrity_check")))[0][0] == "ok"
    await store.close()


async def test_postgres_killed_under_load_loses_nothing_acknowledged(mortal: PostgresServer) -> None:
    stores = [open_store(url) for url in [mortal.new_database()] for _ in range(2)]
    acknowledged: set[str] = set()
    errors: list[BaseException] = []
    failed: set[str] = set()
    stop = asyncio.Event()

    async def client(store: Store) -> None:
        while not stop.is_set():
            wanted = operation()
            try:
                await put(store, wanted)
                acknowledged.add(wanted.id)
            except Exception as error:
                errors.append(error)
                failed.add(wanted.id)

    async def progress(wanted: int) -> None:
        goal = len(acknowledged) + wanted
        while len(acknowledged) < goal:
            await asyncio.sleep(0.005)

    clients = [asyncio.ensure_future(client(stores[number % 2])) for number in range(24)]
    for _ in range(3):
        await progress(150)
        await asyncio.to_thread(mortal.kill)
        await asyncio.to_thread(mortal.start)
        await asyncio.wait_for(progress(100), 60)
    stop.set()
    await asyncio.gather(*clients)
    present = await ids(stores[0])
    assert acknowledged - present == set()
    assert errors, "the server was killed while nobody was writing"
    assert {type(error) for error in errors} == {JournalUnavailable}
    assert present <= acknowledged | failed
    for store in stores:
        await store.close()


async def test_a_restart_between_two_writes_costs_nobody_anything(mortal: PostgresServer) -> None:
    store = open_store(mortal.new_database())
    first, second = operation(), operation()
    await put(store, first)
    assert await get(store, first) == first
    await asyncio.to_thread(mortal.kill)
    await asyncio.to_thread(mortal.start)
    assert await get(store, first) == first
    await put(store, second)
    assert await ids(store) == {first.id, second.id}
    await store.close()


async def test_a_connection_lost_in_the_middle_fails_its_own_writes_only(postgres_url: str) -> None:
    store = open_store(postgres_url)
    wanted = operation()
    with pytest.raises(JournalUnavailable):
        await store.write(
            lambda tx: (
                accept(tx, wanted, attempt(wanted)),
                tx.execute("SELECT pg_terminate_backend(pg_backend_pid())"),
            )
        )
    other = operation()
    await put(store, other)
    assert await ids(store) == {other.id}
    await store.close()


async def test_a_read_is_tried_again_on_a_fresh_connection(postgres_url: str) -> None:
    store = open_store(postgres_url)
    runs = count(1)

    def dies_once(tx: object) -> int:
        run = next(runs)
        if run == 1:
            tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")  # type: ignore[attr-defined]
        return run

    assert await store.read(dies_once) == 2
    with pytest.raises(JournalUnavailable):
        await store.read(lambda tx: tx.execute("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert await ids(store) == set()
    await store.close()


async def test_while_the_server_is_away_everyone_is_told_soon_and_afterwards_it_goes_on(
    mortal: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "PATIENCE", 0.1)
    store = open_store(mortal.new_database())
    await put(store, operation())
    await asyncio.to_thread(mortal.kill)
    writes = [put(store, operation()) for _ in range(500)]
    results = await asyncio.wait_for(asyncio.gather(*writes, return_exceptions=True), 30)
    assert {type(result) for result in results} == {JournalUnavailable}
    with pytest.raises(JournalUnavailable):
        await ids(store)
    await asyncio.to_thread(mortal.start)
    await put(store, operation())
    assert len(await ids(store)) == 2
    await store.close()


async def test_a_write_waits_out_a_short_absence_of_the_server(
    mortal: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "PATIENCE", 30.0)
    store = open_store(mortal.new_database())
    await asyncio.to_thread(mortal.kill)
    wanted = operation()
    waiting = asyncio.ensure_future(put(store, wanted))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(mortal.start)
    await waiting
    assert await ids(store) == {wanted.id}
    await store.close()
