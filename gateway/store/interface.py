"""What every journal engine keeps to: its transactions, and the nouns of what it may refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from gateway.operation import Operation

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
