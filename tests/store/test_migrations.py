"""A journal of an older gateway is brought up to this one's schema, and keeps what it held."""

from __future__ import annotations

import pytest

from gateway.operation import LAPSED, Operation, Routing, State
from gateway.store import schema
from gateway.store.interface import DuplicateReference, Transaction
from gateway.store.opening import open_store
from gateway.store.rows import COLUMNS, to_row
from tests.store.records import get, operation, put

pytestmark = pytest.mark.anyio
LATER = ("routing", "pinned", "payee", "approval", "accepted_at")  # columns that the first schema did not have


async def journaled_by_the_first(url: str, old: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes an operation as the first schema had it."""
    values = {name: value for name, value in zip(COLUMNS, to_row(old), strict=True) if name not in LATER}

    def insert(tx: Transaction) -> None:
        marks = ", ".join("?" for _ in values)
        tx.execute(f"INSERT INTO operation ({', '.join(values)}) VALUES ({marks})", list(values.values()))  # noqa: S608

    with monkeypatch.context() as first_schema:
        first_schema.setattr(schema.migrate, "__defaults__", (1,))
        store = open_store(url)
        await store.write(insert)
        await store.close()


async def test_what_was_journaled_before_stays_where_it_is_and_counts_from_its_making(
    journal_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = operation()
    await journaled_by_the_first(journal_url, old, monkeypatch)
    store = open_store(journal_url)
    kept = await get(store, old)
    await store.close()
    assert kept is not None and (kept.routing, kept.pinned) == (Routing(), True)
    assert (kept.payee, kept.approval, kept.accepted_at) == (None, None, old.created_at)


@pytest.mark.parametrize("state", list(State))
async def test_what_was_refused_before_holds_its_reference_no_more(
    journal_url: str, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    old = operation(state=state)
    await journaled_by_the_first(journal_url, old, monkeypatch)
    store = open_store(journal_url)
    second = put(store, operation(reference=old.reference))
    if state in LAPSED:
        assert not (await second).replayed
    else:
        with pytest.raises(DuplicateReference):
            await second
    await store.close()
