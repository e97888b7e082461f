"""What is asked of the journal. Each function is one question, the same on every engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gateway.operation import Attempt, Observation, Operation, State
from gateway.store.interface import Transaction
from gateway.store.rows import COLUMN_LIST, OPEN_STATES, from_row
from providers.sdk import Payout

# For what another index finds: by its name alone, SQLite would rather walk through all that the tenant has.
_OF_TENANT = "tenant || '' = ?"


def last_observation(tx: Transaction, connection: str, target: str) -> Observation | None:
    rows = tx.execute(
        "SELECT at, source, payout FROM observation WHERE connection = ? AND target = ?"
        " ORDER BY at DESC, id DESC LIMIT 1",
        (connection, target),
    )
    if not rows:
        return None
    at, source, payout = rows[0]
    seen = msgspec.json.decode(payout, type=Payout)
    return Observation(connection=connection, target=target, at=at, source=source, payout=seen)


def history(
    tx: Transaction, tenant: str, connection: str, target: str, limit: int = 200
) -> tuple[list[Observation], list[Operation]]:
    """The newest observations of a payout, and the tenant's own operations on it; oldest first."""
    rows = tx.execute(
        "SELECT at, source, payout FROM observation WHERE connection = ? AND target = ?"
        " ORDER BY at DESC, id DESC LIMIT ?",
        (connection, target, limit),
    )
    seen = [
        Observation(
            connection=connection, target=target, at=at, source=source, payout=msgspec.json.decode(payout, type=Payout)
        )
        for at, source, payout in reversed(rows)
    ]
    sql = (
        f"SELECT {COLUMN_LIST} FROM operation WHERE {_OF_TENANT} AND connection = ? AND kind = 'payout'"  # noqa: S608
        " AND target = ? ORDER BY id DESC LIMIT ?"
    )
    written = [from_row(row) for row in reversed(tx.execute(sql, (tenant, connection, target, limit)))]
    return seen, written


def find(tx: Transaction, tenant: str | None, id: str) -> Operation | None:
    """A tenant's own operation; a foreign one does not exist. None: for the person on call, anyone's."""
    return one(tx, "id = ?", id) if tenant is None else one(tx, "tenant = ? AND id = ?", tenant, id)


def find_by_key(tx: Transaction, tenant: str, key: str, item: str) -> Operation | None:
    return one(tx, "tenant = ? AND key = ? AND item = ?", tenant, key, item)


def find_items(tx: Transaction, tenant: str, key: str, items: Sequence[str]) -> dict[str, Operation]:
    """What a bulk call's key led to, by item."""
    marks = ", ".join("?" for _ in items) or "NULL"
    sql = f"SELECT {COLUMN_LIST} FROM operation WHERE tenant = ? AND key = ? AND item IN ({marks})"  # noqa: S608
    return {found.item: found for found in map(from_row, tx.execute(sql, (tenant, key, *items)))}


def attempts_of(tx: Transaction, *operations: str) -> list[Attempt]:
    """The attempts of one operation or of several, the oldest of each first."""
    marks = ", ".join("?" for _ in operations) or "NULL"
    rows = tx.execute(
        "SELECT operation, number, started_at, finished_at, sent, http_status, outcome, detail FROM attempt"  # noqa: S608
        f" WHERE operation IN ({marks}) ORDER BY operation, number",
        operations,
    )
    return [
        Attempt(
            operation=operation,
            number=number,
            started_at=started,
            finished_at=finished,
            sent=None if sent is None else bool(sent),
            http_status=status,
            outcome=outcome,
            detail=detail,
        )
        for operation, number, started, finished, sent, status, outcome, detail in rows
    ]


def list_operations(
    tx: Transaction,
    tenant: str | None,
    *,
    states: Iterable[State] = (),
    connection: str | None = None,
    action: str | None = None,
    reference: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Operation]:
    """Newest first. `before` is the id of the last one seen; ids grow with time."""
    wanted = {"tenant": tenant, "connection": connection, "action": action, "reference": reference}
    given = {name: value for name, value in wanted.items() if value is not None}
    clauses = [f"{name} = ?" for name in given]
    parameters: list[Any] = list(given.values())
    names = [str(state) for state in states]
    if names:
        clauses.append(f"state IN ({', '.join('?' for _ in names)})")
        parameters += names
    if before is not None:
        clauses.append("id < ?")
        parameters.append(before)
    where = " AND ".join(clauses) or "1 = 1"
    sql = f"SELECT {COLUMN_LIST} FROM operation WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
    return [from_row(row) for row in tx.execute(sql, [*parameters, limit])]


def open_counts(tx: Transaction) -> dict[str, int]:
    """How many open operations each connection has; those that have none are not named."""
    sql = f"SELECT connection, COUNT(*) FROM operation WHERE state IN ({OPEN_STATES}) GROUP BY connection"  # noqa: S608
    return {row[0]: row[1] for row in tx.execute(sql)}


def known_references(tx: Transaction, tenant: str, connection: str, references: Sequence[str]) -> dict[str, str]:
    """The provider's form of a reference to the tenant's own, for payouts that this tenant created."""
    if not references:
        return {}
    marks = ", ".join("?" for _ in references)
    rows = tx.execute(
        f"SELECT provider_reference, reference FROM operation WHERE {_OF_TENANT} AND connection = ?"  # noqa: S608
        f" AND action = 'create' AND provider_reference IN ({marks})",
        [tenant, connection, *references],
    )
    return {row[0]: row[1] for row in rows}


def has_successor(tx: Transaction, operation: Operation) -> bool:
    """Whether another create of the tenant has this one's reference by now."""
    return bool(
        tx.execute(
            "SELECT 1 FROM operation WHERE tenant = ? AND reference = ? AND action = 'create' AND id > ?"
            " AND lapsed = 0 LIMIT 1",
            (operation.tenant, operation.reference, operation.id),
        )
    )


def created_payouts(tx: Transaction, connection: str) -> set[str]:
    """The provider's ids of all payouts that operations of this journal led to."""
    rows = tx.execute(
        "SELECT target FROM operation WHERE connection = ? AND action = 'create' AND target IS NOT NULL", (connection,)
    )
    return {row[0] for row in rows}


def one(tx: Transaction, where: str, *parameters: Any) -> Operation | None:
    rows = tx.execute(f"SELECT {COLUMN_LIST} FROM operation WHERE {where} LIMIT 1", parameters)  # noqa: S608
    return from_row(rows[0]) if rows else None
