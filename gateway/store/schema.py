"""The journal's schema: numbered migrations, each one transaction under the engine's lock.

`NNNN.sql` runs on every engine, then `NNNN.<engine>.sql` where there is one.
"""

from __future__ import annotations

import time
from importlib.resources import files

from gateway.store.batch import Broken, Contended, Purpose, Session
from gateway.store.interface import JournalError, JournalRefused, StatementRefused

FOLDER = files("gateway.store").joinpath("migrations")
LATEST = max(int(file.name[:4]) for file in FOLDER.iterdir() if file.name.endswith(".sql"))
VERSIONS = "CREATE TABLE journal_schema (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)"


def migrate(session: Session, latest: int = LATEST) -> None:
    """Brings the database up to this gateway's schema. Raises JournalRefused."""
    while _migrated(session, latest):
        pass


def require_latest(session: Session) -> None:
    """For who only reads. Raises JournalRefused."""
    try:
        version = version_of(session)
    except JournalError as error:
        raise JournalRefused(f"the journal cannot be read: {error}") from None
    _refuse_newer(version, LATEST)
    if version < LATEST:
        raise JournalRefused(f"the journal has schema {version}, not {LATEST}: start the gateway to migrate it")


def version_of(session: Session) -> int:
    """0: there is no schema yet."""
    if not session.execute(session.dialect.has_table, ("journal_schema",))[0][0]:
        return 0
    return int(session.execute("SELECT MAX(version) FROM journal_schema")[0][0] or 0)


def _migrated(session: Session, latest: int) -> bool:
    """Runs the next migration. False: there is none."""
    try:
        session.begin(Purpose.MIGRATE, time.monotonic())
        version = version_of(session)
        _refuse_newer(version, latest)
        if version < latest:
            _apply(session, version + 1)
        session.commit()
    except (Broken, Contended, StatementRefused) as error:
        session.rollback()
        raise JournalRefused(f"the journal cannot be brought to schema {latest}: {error}") from None
    except JournalRefused:
        session.rollback()
        raise
    return version < latest


def _apply(session: Session, number: int) -> None:
    if number == 1:
        session.execute(VERSIONS)
    for name in (f"{number:04d}.sql", f"{number:04d}.{session.dialect.name}.sql"):
        script = FOLDER.joinpath(name)
        if script.is_file():
            session.execute(script.read_text("utf-8").replace("AUTONUMBER", session.dialect.autonumber))
    session.execute(f"INSERT INTO journal_schema VALUES (?, {session.dialect.now})", (number,))  # noqa: S608


def _refuse_newer(version: int, latest: int) -> None:
    if version > latest:
        raise JournalRefused(
            f"the journal has schema {version}; this gateway knows up to {latest}. Run the newer gateway."
        )
