"""A journal of an older gateway is brought up to this one's schema, and keeps what it held."""

from __future__ import annotations

import pytest

from gateway.operation import Routing
from gateway.store import schema
from gateway.store.journal import COLUMNS, Transaction, to_row
from gateway.store.opening import open_store
from tests.store.records import get, operation

pytestmark = pytest.mark.anyio
LATER = ("routing", "pinned", "payee", "approval", "accepted_at")  # columns that the first schema did not have


async def test_what_was_journaled_before_stays_where_it_is_and_counts_from_its_making(
    journal_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = operation()
    values = {name: value for name, value in zip(COLUMNS, to_row(old), strict=True) if name not in LATER}

    def insert(tx: Transaction) -> None:
        marks = ", ".join("?" for _ in values)
        tx.execute(f"INSERT INTO operation ({', '.join(values)}) VALUES ({marks})", list(values.values()))  # noqa: S608

    with monkeypatch.context() as first_schema:
        first_schema.setattr(schema.migrate, "__defaults__", (1,))
        store = open_store(journal_url)
        await store.write(insert)
        await store.close()
    store = open_store(journal_url)
    kept = await get(store, old)
    await store.close()
    assert kept is not None and (kept.routing, kept.pinned) == (Routing(), True)
    assert (kept.payee, kept.approval, kept.accepted_at) == (None, None, old.created_at)
