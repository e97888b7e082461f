"""Commands look into a journal beside the gateway that is running on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.store.interface import JournalRefused, JournalUnavailable, StatementRefused, Store
from gateway.store.opening import open_read_only, open_store
from gateway.store.schema import LATEST
from tests.servers import postgres_server
from tests.store.records import ids, operation, put

pytestmark = pytest.mark.anyio


async def test_a_command_reads_what_the_running_gateway_has_committed(store: Store, journal_url: str) -> None:
    first, second = operation(), operation()
    await put(store, first)
    command = open_read_only(journal_url)
    assert await ids(command) == {first.id}
    await put(store, second)
    assert await ids(command) == {first.id, second.id}
    await command.close()
    await put(store, operation())
    assert len(await ids(store)) == 3


async def test_a_command_reads_after_the_gateway_has_ended(journal_url: str) -> None:
    store = open_store(journal_url)
    wanted = operation()
    await put(store, wanted)
    await store.close()
    command = open_read_only(journal_url)
    assert await ids(command) == {wanted.id}
    await command.close()
    again = open_store(journal_url)
    assert await ids(again) == {wanted.id}
    await again.close()


async def test_a_command_cannot_write(store: Store, journal_url: str) -> None:
    command = open_read_only(journal_url)
    with pytest.raises(JournalRefused):
        await put(command, operation())
    with pytest.raises((StatementRefused, JournalUnavailable)):
        await command.read(lambda tx: tx.execute("DELETE FROM operation"))
    await command.close()


async def test_a_command_refuses_a_newer_and_an_older_schema(store: Store, journal_url: str) -> None:
    last = "UPDATE journal_schema SET version = ? WHERE version = (SELECT MAX(version) FROM journal_schema)"
    for version, wanted in ((LATEST + 1, "newer gateway"), (0, "start the gateway")):
        await store.write(lambda tx, version=version: tx.execute(last, (version,)))  # type: ignore[misc]
        with pytest.raises(JournalRefused, match=wanted):
            open_read_only(journal_url)


def test_a_command_makes_no_journal_where_there_is_none(tmp_path: Path, postgres_url: str) -> None:
    with pytest.raises(JournalRefused, match="no journal here"):
        open_read_only(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(JournalRefused, match="schema 0"):
        open_read_only(postgres_url)


def test_a_command_says_that_a_file_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "diary.db").write_text("not a database" * 100)
    with pytest.raises(JournalRefused, match="cannot be"):
        open_read_only(f"sqlite:///{tmp_path}/diary.db")


async def test_a_command_may_read_from_a_standby() -> None:
    with postgres_server() as server:
        url = server.new_database()
        store = open_store(url)
        wanted = operation()
        await put(store, wanted)
        await store.close()
        server.stop()
        (server.data / "standby.signal").touch()
        server.start()
        command = open_read_only(url)
        assert await ids(command) == {wanted.id}
        await command.close()
