"""SQLite: the journal refuses to start where it could not keep its promise, and says what would help."""

from __future__ import annotations

import os
from pathlib import Path

import apsw
import pytest

from gateway.store.filesystem import network_type
from gateway.store.interface import JournalRefused
from gateway.store.opening import open_store
from gateway.store.sqlite import SqliteStore, require_durable
from tests.store.records import ids, operation, put

pytestmark = pytest.mark.anyio


def refused(path: Path, **options: str | Path) -> str:
    with pytest.raises(JournalRefused) as error:
        SqliteStore(path, **options)  # type: ignore[arg-type]
    return str(error.value)


async def test_a_second_gateway_on_the_file_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    first = SqliteStore(path)
    assert "in use by another gateway" in refused(path)
    await put(first, operation())
    await first.close()
    second = SqliteStore(path)
    assert len(await ids(second)) == 1
    await second.close()


async def test_another_name_of_the_same_file_finds_the_same_lock(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "journal.db")
    (tmp_path / "alias.db").symlink_to(tmp_path / "journal.db")
    assert "in use by another gateway" in refused(tmp_path / "alias.db")
    await first.close()


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "gpfs", "glusterfs"])
def test_a_network_file_system_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/share {tmp_path} {kind} rw 0 0\n")
    text = refused(tmp_path / "deep" / "journal.db", mounts=mounts)
    assert f"network file system ({kind})" in text
    assert "PostgreSQL" in text
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        ("/dev/vda / ext4 rw 0 0\n", None),
        ("server:/ / nfs rw 0 0\n/dev/vdb /data ext4 rw 0 0\n", None),
        ("/dev/vda / ext4 rw 0 0\nserver:/ /data nfs rw 0 0\n/dev/vdb /data xfs rw 0 0\n", None),
        ("/dev/vda / ext4 rw 0 0\nserver:/ /data2 nfs rw 0 0\n", None),
        ("/dev/vda / ext4 rw 0 0\nsystemd-1 /data autofs rw 0 0\nserver:/ /data nfs4 rw 0 0\n", "nfs4"),
        ("server:/ / nfs rw 0 0\n", "nfs"),
    ],
)
def test_the_nearest_and_latest_mount_decides(tmp_path: Path, mounts: str, kind: str | None) -> None:
    (tmp_path / "mounts").write_text(mounts)
    assert network_type(Path("/data/of/mine/journal.db"), tmp_path / "mounts") == kind


def test_a_mount_point_with_a_space_is_found(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text("/dev/vda / ext4 rw 0 0\nserver:/ /my\\040data nfs rw 0 0\n")
    assert network_type(Path("/my data/journal.db"), tmp_path / "mounts") == "nfs"


def test_without_a_list_of_mounts_the_path_is_taken_for_local(tmp_path: Path) -> None:
    assert network_type(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize("version", ["3.51.2", "3.40.1", "3.9.0"])
def test_a_sqlite_that_can_corrupt_its_wal_is_refused(tmp_path: Path, version: str) -> None:
    assert "3.51.3" in refused(tmp_path / "journal.db", version=version)


def test_the_installed_sqlite_is_new_enough() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "Choose another folder" in refused(tmp_path / "file" / "journal.db")


def test_a_folder_that_takes_no_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    assert "not writable" in refused(tmp_path / "journal.db")


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    assert "cannot be used" in refused(tmp_path / "journal.db")


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("the diary of someone else" * 100)
    assert "cannot be used" in refused(path)
    assert path.read_text() == "the diary of someone else" * 100


def test_tables_of_another_program_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with apsw.Connection(str(path)) as other:
        other.execute("CREATE TABLE operation (mine TEXT)")
    other.close()
    assert "cannot be brought to schema" in refused(path)
    with apsw.Connection(str(path)) as other:
        assert list(other.execute("SELECT name FROM sqlite_master")) == [("operation",)]
    other.close()


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store = SqliteStore(path)
    await store.write(lambda tx: tx.execute("INSERT INTO journal_schema VALUES (999, 0)"))
    await store.close()
    text = refused(path)
    assert "schema 999" in text
    assert "newer gateway" in text


async def test_a_refused_start_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.mkdir()
    refused(path)
    path.rmdir()
    await SqliteStore(path).close()


async def test_each_commit_is_durable_by_wal_and_full(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "journal.db")

    def pragmas(tx: object) -> list[object]:
        return [
            tx.execute(f"PRAGMA {name}")[0][0]  # type: ignore[attr-defined]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert await store.write(pragmas) == ["wal", 2, 1]
    await store.close()


@pytest.mark.parametrize(("mode", "synchronous"), [("delete", 2), ("wal", 1), ("memory", 2)])
def test_a_file_that_does_not_take_wal_and_full_is_refused(mode: str, synchronous: int) -> None:
    with pytest.raises(JournalRefused, match="synchronous=FULL"):
        require_durable(Path("journal.db"), mode, synchronous)


def test_an_url_of_no_engine_is_refused() -> None:
    with pytest.raises(JournalRefused, match="postgresql://"):
        open_store("mysql://root@localhost/payouts")
