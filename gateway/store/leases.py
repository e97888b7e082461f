"""Leases: which gateway is at an operation, and until when by the clock of the database that all of them share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from gateway.operation import Operation, State
from gateway.store.interface import Transaction
from gateway.store.journal import now
from gateway.store.rows import COLUMNS, from_row


@dataclass(frozen=True, slots=True)
class Claimed:
    """`interrupted`: whoever had it stalled or died while sending. It may have been sent: record `unknown`."""

    operation: Operation
    interrupted: bool


def leased(tx: Transaction, operation: Operation, owner: str, lease_ms: int) -> Operation:
    """The operation with a lease from now on; `accept`, `claim` and `record` write it."""
    return msgspec.structs.replace(operation, lease_owner=owner, lease_until=now(tx) + lease_ms)


def free(operation: Operation) -> Operation:
    """The operation without a lease, for when it comes to rest."""
    return msgspec.structs.replace(operation, lease_owner=None, lease_until=None)


def end_dead_leases(tx: Transaction) -> None:
    """At the start: a SQLite journal is one gateway's alone, so that every lease in it is a dead one's."""
    if tx.dialect.name == "sqlite":
        tx.execute("UPDATE operation SET lease_until = 0 WHERE lease_until > 0")


def claim_due(tx: Transaction, owner: str, limit: int, lease_ms: int, connections: Collection[str]) -> list[Claimed]:
    """Takes what is due on these connections, and what someone left in `sending` on any, unless a lease holds it.

    The longest overdue first. Each comes back with its fence moved on, in the state in which it was found.
    """
    chosen = _unheld(tx, limit, connections)
    if not chosen:
        return []
    marks = ", ".join("?" for _ in chosen)
    rows = tx.execute(
        f"UPDATE operation SET fence = fence + 1, lease_owner = ?, lease_until = {tx.dialect.now} + ?"  # noqa: S608
        f" WHERE id IN ({marks}) RETURNING {', '.join(COLUMNS)}",
        [owner, lease_ms, *chosen],
    )
    taken = {operation.id: operation for operation in map(from_row, rows)}
    return [Claimed(taken[id], taken[id].state is State.SENDING) for id in chosen]


def under_way(tx: Transaction, tenant: str, key: str) -> int:
    """How many operations of one key are being worked at, or wait for a turn that they may have now."""
    clock = now(tx)
    rows = tx.execute(
        "SELECT COUNT(*) FROM operation WHERE tenant = ? AND key = ?"
        " AND (state = 'sending' OR lease_until > ? OR (state = 'accepted' AND due_at <= ?))",
        (tenant, key, clock, clock),
    )
    return int(rows[0][0])


def _unheld(tx: Transaction, limit: int, connections: Collection[str]) -> list[str]:
    """Two statements: for either half alone there is an index, for both in one SQLite reads every row there is."""
    clock, marks = now(tx), ", ".join("?" for _ in connections) or "NULL"
    # The index holds what is accepted, too: SQLite uses it only where its own words stand in the statement.
    sending = _longest_overdue(tx, "state = 'sending' AND state IN ('accepted', 'sending')", (), clock, limit)
    due = _longest_overdue(tx, f"due_at <= ? AND connection IN ({marks})", (clock, *connections), clock, limit)
    return [id for _, id in sorted({*sending, *due})[:limit]]


def _longest_overdue(
    tx: Transaction, where: str, parameters: Sequence[object], clock: int, limit: int
) -> list[tuple[int, str]]:
    """Since when, and the id."""
    rows = tx.execute(
        f"SELECT COALESCE(due_at, lease_until, 0) AS since, id FROM operation WHERE {where}"  # noqa: S608
        f" AND COALESCE(lease_until, 0) <= ? ORDER BY since, id LIMIT ? {tx.dialect.skip_locked}",
        (*parameters, clock, limit),
    )
    return [(int(since), id) for since, id in rows]
