"""The journal's statements: plain SQL, one function a transaction, the same on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec

from gateway.operation import LAPSED, OPEN, Approval, Attempt, Observation, Operation, Routing, State
from providers.sdk import Payout

T = TypeVar("T")
Row = Sequence[Any]


class JournalError(Exception):
    """The root of what the journal may refuse."""


class JournalRefused(Exception):
    """The journal cannot keep its promise here; the text says why and what would."""


class JournalUnavailable(JournalError):
    """A commit failed or its fate is not known: re-read by key before concluding anything."""


class StatementRefused(JournalError):
    """The database refused a statement, a constraint for one: the function's writes are rolled back."""


class KeyReused(JournalError):
    """The idempotency key belongs to another request."""

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation


class Refusal(JournalError):
    """Another operation stands in the way."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(operation.id)
        self.operation = operation


class DuplicateReference(Refusal):
    """A create with this reference is there already."""


class PayoutBusy(Refusal):
    """The payout has an open write already."""


class WouldContradict(Refusal):
    """The payout is recorded with another reference, or further on than this mark leads."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """All that differs between the engines' SQL."""

    name: str
    now: str  # the database's clock in milliseconds of the epoch
    skip_locked: str  # ends a SELECT that takes rows which nobody else is taking
    autonumber: str  # the type of a key that numbers itself
    has_table: str  # counts the tables of one name


class Transaction(Protocol):
    """What an engine lends to one function: `?` marks parameters. The function lets its errors through."""

    @property
    def dialect(self) -> Dialect: ...

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]: ...

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """One statement for many rows, which returns none."""

    def now(self) -> int:
        """The database's clock in milliseconds of the epoch, as it stood when the transaction first asked."""

    def later(self, write: PutOff, item: Any) -> None:
        """Puts a statement off to the transaction's end, where `write` gets its items of all who share the commit.

        The functions run in the order in which they were first named: what one writes must not build on a later one.
        """


PutOff = Callable[[Transaction, list[Any]], None]


class Store(Protocol):
    """One journal engine. `write` runs the function in a transaction that is durable when it returns.

    A function may be run again, after its first run was rolled back: it changes nothing but the database.
    """

    async def write(self, work: Callable[[Transaction], T]) -> T: ...

    async def read(self, work: Callable[[Transaction], T]) -> T: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """`replayed`: the key was there already with the same request, and nothing was written."""

    operation: Operation
    replayed: bool


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


COLUMNS = tuple(field.name for field in msgspec.structs.fields(Operation))
# msgspec 0.22 gathers what it knows of a type at its first use; two threads that do so at once crash the process.
_GATHERED = msgspec.json.Decoder(Operation), msgspec.json.Decoder(Payout)
_COLUMN_LIST = ", ".join(COLUMNS)
_MARKS = ", ".join("?" for _ in (*COLUMNS, "lapsed"))
_ENCODED: tuple[tuple[int, Callable[[Any], Any]], ...] = (
    *((COLUMNS.index(name), str) for name in ("effect", "state", "reason", "step")),
    *((COLUMNS.index(name), _json) for name in ("carried", "decisions", "payout", "approval", "routing")),
    *((COLUMNS.index(name), int) for name in ("acknowledged", "pinned")),
)
# Any other item of a bulk call shows what the key was given for.
_INSERT = (
    f"INSERT INTO operation ({_COLUMN_LIST}, lapsed) SELECT {_MARKS}"  # noqa: S608
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
# For what another index finds: by its name alone, SQLite would rather walk through all that the tenant has.
_OF_TENANT = "tenant || '' = ?"
_OPEN_STATES = ", ".join(f"'{state}'" for state in sorted(OPEN))
# How far along a payout is: marks only lead forward, except `reopen`.
_RANK = {"reopen": 0, "approve": 1, "process": 2, "complete": 3, "fail": 3}


def to_row(operation: Operation) -> list[Any]:
    """Every column's value as a database takes it, in the order of COLUMNS."""
    row = list(msgspec.structs.astuple(operation))
    for place, encoded in _ENCODED:
        if row[place] is not None:
            row[place] = encoded(row[place])
    return row


def from_row(row: Row) -> Operation:
    plain = dict(zip(COLUMNS, row, strict=True))
    plain["carried"] = msgspec.json.decode(plain["carried"])
    plain["decisions"] = msgspec.json.decode(plain["decisions"])
    plain["payout"] = msgspec.json.decode(plain["payout"], type=Payout) if plain["payout"] else None
    plain["approval"] = msgspec.json.decode(plain["approval"], type=Approval) if plain["approval"] else None
    plain["routing"] = msgspec.json.decode(plain["routing"], type=Routing) if plain["routing"] else Routing()
    plain["acknowledged"] = bool(plain["acknowledged"])
    plain["pinned"] = bool(plain["pinned"])
    return msgspec.convert(plain, Operation)


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
    earlier = earlier or _one(tx, "tenant = ? AND key = ?", operation.tenant, operation.key)
    if earlier is None:
        return None
    if earlier.fingerprint != operation.fingerprint:
        raise KeyReused(earlier.id)
    return Accepted(earlier, replayed=True) if earlier.item == operation.item else None


def _refuse_contradiction(tx: Transaction, operation: Operation) -> None:
    rank = _RANK.get(operation.action)
    if rank is None or operation.kind != "payout" or operation.action == "reopen":
        return
    last = _one(
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
    same = _one(
        tx,
        "tenant = ? AND reference = ? AND action = 'create' AND lapsed = 0",
        operation.tenant,
        operation.reference,
    )
    if operation.action == "create" and same is not None:
        return DuplicateReference(same)
    busy = _one(
        tx,
        f"connection = ? AND kind = ? AND target = ? AND state IN ({_OPEN_STATES})",
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
    tx.later(_observe, (seen.connection, seen.target, seen.at, seen.source, _json(seen.payout)))


def _observe(tx: Transaction, rows: list[Row]) -> None:
    tx.execute_many("INSERT INTO observation (connection, target, at, source, payout) VALUES (?, ?, ?, ?, ?)", rows)


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
        f"SELECT {_COLUMN_LIST} FROM operation WHERE {_OF_TENANT} AND connection = ? AND kind = 'payout'"  # noqa: S608
        " AND target = ? ORDER BY id DESC LIMIT ?"
    )
    written = [from_row(row) for row in reversed(tx.execute(sql, (tenant, connection, target, limit)))]
    return seen, written


def find(tx: Transaction, tenant: str | None, id: str) -> Operation | None:
    """A tenant's own operation; a foreign one does not exist. None: for the person on call, anyone's."""
    return _one(tx, "id = ?", id) if tenant is None else _one(tx, "tenant = ? AND id = ?", tenant, id)


def find_by_key(tx: Transaction, tenant: str, key: str, item: str) -> Operation | None:
    return _one(tx, "tenant = ? AND key = ? AND item = ?", tenant, key, item)


def find_items(tx: Transaction, tenant: str, key: str, items: Sequence[str]) -> dict[str, Operation]:
    """What a bulk call's key led to, by item."""
    marks = ", ".join("?" for _ in items) or "NULL"
    sql = f"SELECT {_COLUMN_LIST} FROM operation WHERE tenant = ? AND key = ? AND item IN ({marks})"  # noqa: S608
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
    sql = f"SELECT {_COLUMN_LIST} FROM operation WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
    return [from_row(row) for row in tx.execute(sql, [*parameters, limit])]


def open_counts(tx: Transaction) -> dict[str, int]:
    """How many open operations each connection has; those that have none are not named."""
    sql = f"SELECT connection, COUNT(*) FROM operation WHERE state IN ({_OPEN_STATES}) GROUP BY connection"  # noqa: S608
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


def _one(tx: Transaction, where: str, *parameters: Any) -> Operation | None:
    rows = tx.execute(f"SELECT {_COLUMN_LIST} FROM operation WHERE {where} LIMIT 1", parameters)  # noqa: S608
    return from_row(rows[0]) if rows else None
