"""A journal of an earlier schema keeps what it holds."""

from __future__ import annotations

import pytest

from gateway.store import schema
from gateway.store.journal import Transaction, find
from gateway.store.opening import open_store

pytestmark = pytest.mark.anyio

OLD = {
    "id": "op_1", "tenant": "default", "maker": "m", "key": "k", "item": "", "fingerprint": "f", "action": "create",
    "kind": "payout", "connection": "bank", "effect": "create", "request": "{}", "currency": "GBP", "minor_units": 5,
    "carried": "[]", "state": "succeeded", "unsure": 0, "acknowledged": 0, "resends": 0, "attempts": 1, "sent_at": 7,
    "fence": 1, "decisions": "[]", "created_at": 7, "updated_at": 7,
}  # fmt: skip


def insert(tx: Transaction) -> None:
    marks = ", ".join("?" for _ in OLD)
    tx.execute(f"INSERT INTO operation ({', '.join(OLD)}) VALUES ({marks})", list(OLD.values()))  # noqa: S608


async def test_what_was_accepted_before_limits_counts_from_its_making(
    journal_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema.migrate, "__defaults__", (1,))
    first = open_store(journal_url)
    await first.write(insert)
    await first.close()
    monkeypatch.setattr(schema.migrate, "__defaults__", (schema.LATEST,))
    store = open_store(journal_url)
    found = await store.read(lambda tx: find(tx, None, "op_1"))
    await store.close()
    assert found is not None
    assert (found.accepted_at, found.payee, found.approval) == (7, None, None)
