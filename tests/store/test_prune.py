"""The documented way to forget what is old, on both engines: nothing goes that anything else rests on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

import gateway.store
from gateway.operation import Operation, State, Step
from gateway.store.audit import Audit
from gateway.store.interface import Store, Transaction
from gateway.store.journal import accept, observe, record
from gateway.store.opening import open_store
from gateway.store.questions import last_observation
from tests.store.records import attempt, ids, mark, observation, operation

pytestmark = pytest.mark.anyio

SCRIPT = Path(gateway.store.__file__).with_name("prune.sql")
OLD = 1_800_000_000_000
YOUNG = OLD + 1


def prune(journal_url: str) -> int:
    """How many operations it forgot."""
    if journal_url.startswith("sqlite"):
        file = journal_url.removeprefix("sqlite:///")
        commands = [f".parameter set before {YOUNG}", f".read {SCRIPT}"]
        return int(subprocess.check_output([sys.executable, "-m", "apsw", file, *commands]))
    with psycopg.connect(journal_url, autocommit=True) as connection:
        cursor = connection.execute(SCRIPT.read_text().replace(":before", str(YOUNG)).encode())
        while cursor.nextset():
            pass
        return int(cursor.fetchone()[0])  # type: ignore[index]


async def put(store: Store, wanted: Operation, **end: Any) -> str:
    """Journals an operation as it is accepted, and what it came to."""
    ended = msgspec.structs.replace(wanted, **({"state": State.SUCCEEDED} | end))

    def commit(tx: Transaction) -> None:
        accept(tx, wanted, attempt(wanted))
        assert record(tx, ended, attempt(ended), None)
        Audit().append(tx, ended, "gateway", "recorded")

    await store.write(commit)
    return wanted.id


async def test_what_is_old_and_done_is_forgotten_and_nothing_else(journal_url: str) -> None:
    store = open_store(journal_url)
    gone = {
        await put(store, mark("42", "process")),
        await put(store, mark("42")),
        await put(store, mark("43"), state=State.REJECTED),
        await put(store, mark("44"), state=State.CLOSED),
        await put(store, operation(), state=State.REJECTED),
        await put(store, mark("45", key="bulk-1", item="desk:45")),
        await put(store, mark("46", key="bulk-1", item="desk:46")),
    }
    stays = {
        await put(store, operation()),  # a payment
        await put(store, mark("50"), updated_at=YOUNG),
        await put(store, mark("51", "process")),
        await put(store, mark("51"), updated_at=YOUNG),
        await put(store, mark("52"), state=State.NEEDS_REVIEW),
        await put(store, mark("53"), state=State.REJECTED, step=Step.LOOK_UP, due_at=OLD),
        await put(store, mark("54", key="bulk-2", item="desk:54")),
        await put(store, mark("55", key="bulk-2", item="desk:55"), updated_at=YOUNG),
    }
    assert await ids(store) == gone | stays
    await store.close()
    assert (prune(journal_url), prune(journal_url)) == (len(gone), 0)
    store = open_store(journal_url)
    assert await ids(store) == stays
    attempts = await store.read(lambda tx: tx.execute("SELECT operation FROM attempt"))
    assert {row[0] for row in attempts} == stays
    assert await store.read(Audit().verify) == (len(gone | stays), [])
    await store.close()


async def test_the_last_that_was_seen_of_a_payout_stays(journal_url: str) -> None:
    store = open_store(journal_url)
    await put(store, mark("po:1:2"))
    seen = [msgspec.structs.replace(observation(at), connection="desk") for at in (1, 3, 3, 2)]
    for each in seen:
        await store.write(lambda tx, each=each: observe(tx, each))
    await store.close()
    assert prune(journal_url) == 1
    store = open_store(journal_url)
    assert [tuple(row) for row in await store.read(lambda tx: tx.execute("SELECT at FROM observation"))] == [(3,)]
    assert await store.read(lambda tx: last_observation(tx, "desk", "po:1:2")) == seen[2]
    await store.close()
