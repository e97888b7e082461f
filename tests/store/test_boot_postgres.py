"""PostgreSQL: the journal refuses a server that could not keep its promise, and says what would help."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from gateway.store.interface import JournalRefused, JournalUnavailable
from gateway.store.opening import open_store
from gateway.store.postgres import PostgresStore
from gateway.store.schema import LATEST
from gateway.store.server import Promise, faults
from tests.servers import PostgresServer, postgres_server
from tests.store.records import ids, operation, put

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def spare() -> Iterator[PostgresServer]:
    """A server that these tests set wrongly on purpose."""
    with postgres_server() as server:
        yield server


def refused(url: str) -> str:
    with pytest.raises(JournalRefused) as error:
        PostgresStore(url, patience=0)
    return str(error.value)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_may_lose_commits_is_refused(spare: PostgresServer, setting: str) -> None:
    spare.restart(**{setting: "off"})
    text = refused(spare.url())
    assert f"{setting} is off" in text
    assert f"set {setting} = on" in text


def test_every_fault_is_named_at_once(spare: PostgresServer) -> None:
    spare.restart(fsync="off", full_page_writes="off")
    text = refused(spare.url())
    assert "fsync is off" in text
    assert "full_page_writes is off" in text


def test_a_standby_is_refused(spare: PostgresServer) -> None:
    spare.stop()
    signal = spare.data / "standby.signal"
    signal.touch()
    spare.start()
    try:
        assert "takes no writes" in refused(spare.url())
    finally:
        spare.stop()
        signal.unlink()
        spare.start()


@pytest.mark.parametrize("owner", ["ROLE careless", "DATABASE {database}"])
def test_a_role_or_database_with_synchronous_commit_off_is_refused(postgres: PostgresServer, owner: str) -> None:
    url = postgres.new_database()
    database = url.split("/")[3].split("?")[0]
    postgres.run("DROP ROLE IF EXISTS careless")
    postgres.run("CREATE ROLE careless LOGIN SUPERUSER")
    postgres.run(f"ALTER {owner.format(database=database)} SET synchronous_commit = off")
    assert "synchronous_commit is off" in refused(postgres.url(database, user="careless"))


def test_a_database_that_is_set_to_read_only_is_refused(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    postgres.run(f"ALTER DATABASE {url.split('/')[3].split('?')[0]} SET default_transaction_read_only = on")
    assert "takes no writes" in refused(url)


def test_another_encoding_than_utf8_is_refused(postgres: PostgresServer) -> None:
    url = postgres.new_database(ENCODING="'SQL_ASCII'", TEMPLATE="template0")
    assert "ENCODING 'UTF8'" in refused(url)


def test_an_old_server_is_refused() -> None:
    good = Promise(
        version=130_000,
        fsync="on",
        full_page_writes="on",
        synchronous_commit="on",
        read_only=False,
        encoding="UTF8",
    )
    assert list(faults(good)) == []
    [text] = faults(Promise(**{name: getattr(good, name) for name in good.__struct_fields__} | {"version": 120_022}))
    assert "PostgreSQL 13" in text


@pytest.mark.parametrize("setting", ["local", "on", "remote_apply"])
async def test_our_own_sessions_wait_for_the_disk_at_least(postgres: PostgresServer, setting: str) -> None:
    url = postgres.new_database()
    postgres.run(f"ALTER DATABASE {url.split('/')[3].split('?')[0]} SET synchronous_commit = {setting}")
    store = open_store(url)
    seen = await store.write(lambda tx: tx.execute("SHOW synchronous_commit")[0][0])
    assert seen == ("remote_apply" if setting == "remote_apply" else "on")
    await store.close()


def test_a_server_that_is_not_there_is_refused_naming_it_but_not_the_password(postgres: PostgresServer) -> None:
    text = refused("postgresql://someone:test-password@/nowhere?host=/tmp/no-such-folder")
    assert "'nowhere' at /tmp/no-such-folder" in text
    assert "test-password" not in text


def test_a_database_that_does_not_exist_is_refused(postgres: PostgresServer) -> None:
    assert "does not exist" in refused(postgres.url("no_such_database"))


def test_a_malformed_url_is_refused_without_repeating_it() -> None:
    text = refused("postgresql://me:test-password@host:5432/db?no_such_option=1")
    assert "not a PostgreSQL URL" in text
    assert "test-password" not in text


async def test_the_boot_waits_for_a_server_that_is_starting(spare: PostgresServer) -> None:
    spare.stop()
    opening = asyncio.create_task(asyncio.to_thread(PostgresStore, spare.url(), patience=10))
    await asyncio.sleep(0.1)
    spare.start()
    await (await opening).close()


async def test_a_newer_schema_is_refused(postgres_url: str) -> None:
    store = open_store(postgres_url)
    await store.write(lambda tx: tx.execute("INSERT INTO journal_schema VALUES (999, 0)"))
    await store.close()
    assert "schema 999" in refused(postgres_url)


async def test_gateways_that_start_together_migrate_once(postgres_url: str) -> None:
    stores = await asyncio.gather(*(asyncio.to_thread(PostgresStore, postgres_url) for _ in range(6)))
    versions = await stores[0].read(lambda tx: tx.execute("SELECT version FROM journal_schema"))
    assert [row[0] for row in versions] == list(range(1, LATEST + 1))
    for store in stores:
        await store.close()


async def test_a_server_that_comes_back_unsafe_gets_no_more_writes(spare: PostgresServer) -> None:
    spare.restart()
    store = open_store(spare.new_database())
    await put(store, operation())
    spare.restart(fsync="off")
    with pytest.raises(JournalUnavailable, match="fsync is off"):
        await put(store, operation())
    spare.restart()
    await put(store, operation())
    assert len(await ids(store)) == 2
    await store.close()
