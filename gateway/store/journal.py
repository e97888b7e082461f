"""The journal's writes: plain SQL, one function a transaction's work, the same on every engine."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.operation import LAPSED, Attempt, Observation, Operation
from gateway.store.interface import (
    Accepted,
    DuplicateReference,
    JournalError,
    JournalUnavailable,
    KeyReused,
    PayoutBusy,
    Row,
    Transaction,
    WouldContradict,
)
from gateway.store.questions import find_by_key, one
from gateway.store.rows import COLUMN_LIST, COLUMNS, OPEN_STATES, as_json, to_row

_MARKS = ", ".join("?" for _ in (*COLUMNS, "lapsed"))
# Any other item of a bulk call shows what the key was given for.
_INSERT = (
    f"INSERT INTO operation ({COLUMN_LIST}, lapsed) SELECT {_MARKS}"  # noqa: S608
    " WHERE (SELECT fingerprint <> ? FROM operation WHERE tenant = ? AND key = ? LIMIT 1) IS NOT TRUE"
    " ON CONFLICT DO NOTHING RETURNING id"
)
# What was asked never changes, nor do the indexes over it. They are half of what a write costs: what changes only when
# an operation moves, is approved or lapses is written only then, so that the indexes over it are left alone, too.
_ASKED = (
    "id", "tenant", "maker", "key", "item", "fingerprint", "action", "kind", "request", "reference", "currency",
    "minor_units", "payee", "created_at",
)  # fmt: skip
_SELDOM = ("connection", "provider_reference", "accepted_at")
_CHANGES = tuple(place for place, name in enumerate(COLUMNS) if name not in (*_ASKED, "fence", *_SELDOM))
_SELDOM_PLACES = tuple(map(COLUMNS.index, _SELDOM))


def _setting(places: Iterable[int]) -> str:
    return ", ".join(f"{COLUMNS[place]} = ?" for place in places)


_CHANGE = (
    f"UPDATE operation SET fence = fence + 1, {_setting(_CHANGES)} WHERE id = ? AND fence = ?"  # noqa: S608
    f" AND lapsed = ? AND {' AND '.join(f'{name} IS NOT DISTINCT FROM ?' for name in _SELDOM)} RETURNING id"
)
_CHANGE_ALL = (
    f"UPDATE operation SET fence = fence + 1, {_setting((*_CHANGES, *_SELDOM_PLACES))}, lapsed = ?"  # noqa: S608
    " WHERE id = ? AND fence = ? RETURNING id"
)
# How far along a payout is: marks only lead forward, except `reopen`.
_RANK = {"reopen": 0, "approve": 1, "process": 2, "complete": 3, "fail": 3}


def now(tx: Transaction) -> int:
    """The one clock that all gateways share."""
    return tx.now()


def accept(tx: Transaction, operation: Operation, attempt: Attempt | None) -> Accepted:
    """Journals a new operation, or finds the one that the key names.

    Raises KeyReused, DuplicateReference, PayoutBusy, WouldContradict.
    """
    row = [*to_row(operation), int(operation.state in LAPSED)]
    if not tx.execute(_INSERT, [*row, operation.fingerprint, operation.tenant, operation.key]):
        earlier = _replayed(tx, operation)
        if earlier is not None:
            return earlier
        _refuse_contradiction(tx, operation)
        raise _in_the_way(tx, operation)
    # Only now: another gateway's write may have succeeded just before ours was open.
    _refuse_contradiction(tx, operation)
    if attempt is not None:
        add_attempt(tx, attempt)
    return Accepted(operation, replayed=False)


def _replayed(tx: Transaction, operation: Operation) -> Accepted | None:
    earlier = find_by_key(tx, operation.tenant, operation.key, operation.item)
    # Any other item of a bulk call shows what the key was given for.
    earlier = earlier or one(tx, "tenant = ? AND key = ?", operation.tenant, operation.key)
    if earlier is None:
        return None
    if earlier.fingerprint != operation.fingerprint:
        raise KeyReused(earlier.id)
    return Accepted(earlier, replayed=True) if earlier.item == operation.item else None


def _refuse_contradiction(tx: Transaction, operation: Operation) -> None:
    rank = _RANK.get(operation.action)
    if rank is None or operation.kind != "payout" or operation.action == "reopen":
        return
    last = one(
        tx,
        "connection = ? AND kind = 'payout' AND target = ? AND state = 'succeeded' ORDER BY updated_at DESC, id DESC",
        operation.connection,
        operation.target,
    )
    if last is None or last.action not in _RANK:
        return
    repeats = last.action == operation.action == "complete"
    other_reference = repeats and None not in (last.reference, operation.reference)
    if rank < _RANK[last.action] or (other_reference and last.reference != operation.reference):
        raise WouldContradict(last)


def _in_the_way(tx: Transaction, operation: Operation) -> JournalError:
    same = one(
        tx,
        "tenant = ? AND reference = ? AND action = 'create' AND lapsed = 0",
        operation.tenant,
        operation.reference,
    )
    if operation.action == "create" and same is not None:
        return DuplicateReference(same)
    busy = one(
        tx,
        f"connection = ? AND kind = ? AND target = ? AND state IN ({OPEN_STATES})",
        operation.connection,
        operation.kind,
        operation.target,
    )
    return PayoutBusy(busy) if busy else JournalUnavailable("an insert was refused without a visible cause")


def add_attempt(tx: Transaction, attempt: Attempt) -> None:
    tx.later(_add_attempts, (attempt.operation, attempt.number, attempt.started_at))


def _add_attempts(tx: Transaction, rows: list[Row]) -> None:
    tx.execute_many("INSERT INTO attempt (operation, number, started_at) VALUES (?, ?, ?)", rows)


def claim(tx: Transaction, operation: Operation, attempt: Attempt | None) -> bool:
    """Takes an operation for its next step. False where someone else was faster: the fence has moved on."""
    taken = tx.execute(
        "UPDATE operation SET fence = fence + 1, state = ?, attempts = ?, sent_at = ?, due_at = ?, lease_owner = ?,"
        " lease_until = ? WHERE id = ? AND fence = ? RETURNING id",
        (
            str(operation.state),
            operation.attempts,
            operation.sent_at,
            operation.due_at,
            operation.lease_owner,
            operation.lease_until,
            operation.id,
            operation.fence - 1,
        ),
    )
    if taken and attempt is not None:
        add_attempt(tx, attempt)
    return bool(taken)


def record(tx: Transaction, operation: Operation, attempt: Attempt | None, seen: Observation | None) -> bool:
    """Writes an outcome and moves the fence on, if it still holds; evidence is kept in any case."""
    if attempt is not None:
        _finish_attempt(tx, attempt)
    if seen is not None:
        observe(tx, seen)
    return _changed(tx, operation)


def _changed(tx: Transaction, operation: Operation) -> bool:
    value, key, lapsed = to_row(operation).__getitem__, (operation.id, operation.fence), int(operation.state in LAPSED)
    changes, seldom = list(map(value, _CHANGES)), list(map(value, _SELDOM_PLACES))
    if tx.execute(_CHANGE, [*changes, *key, lapsed, *seldom]):
        return True
    return bool(tx.execute(_CHANGE_ALL, [*changes, *seldom, lapsed, *key]))


def _finish_attempt(tx: Transaction, attempt: Attempt) -> None:
    seen = (attempt.finished_at, int(bool(attempt.sent)), attempt.http_status, attempt.outcome, attempt.detail)
    tx.later(_finish_attempts, (*seen, attempt.operation, attempt.number))


def _finish_attempts(tx: Transaction, rows: list[Row]) -> None:
    tx.execute_many(
        "UPDATE attempt SET finished_at = ?, sent = ?, http_status = ?, outcome = ?, detail = ?"
        " WHERE operation = ? AND number = ?",
        rows,
    )


def observe(tx: Transaction, seen: Observation) -> None:
    tx.later(_observe, (seen.connection, seen.target, seen.at, seen.source, as_json(seen.payout)))


def _observe(tx: Transaction, rows: list[Row]) -> None:
    tx.execute_many("INSERT INTO observation (connection, target, at, source, payout) VALUES (?, ?, ?, ?, ?)", rows)
