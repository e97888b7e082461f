"""The execution log: what was asked of the simulator, what it did, and what the client was told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from contracts.simulator.description import Fields, dig
from contracts.simulator.state import Record
from contracts.simulator.wire import Request


@dataclass(slots=True)
class Entry:
    """One request.

    `executed`: the state machine took the write, even if a fault hid the answer; a refusal is no execution.
    `changed`: the state is another one since. `status`: what was replied, None if nothing was.
    """

    n: int
    at: float
    operation: str | None
    method: str
    path: str
    query: str
    executed: bool = False
    changed: bool = False
    ids: list[str] = field(default_factory=list)
    reference: str | None = None
    amount: Any = None
    currency: str | None = None
    payee: str | None = None
    status: int | None = None
    fault: str | None = None
    authenticated: bool = False
    violation: str | None = None

    def name(self, records: list[Record], fields: Fields) -> None:
        """Takes down which payouts were meant; the particulars are those of the first."""
        self.ids = list(dict.fromkeys(record.id for record in records))
        if not records:
            return
        body = records[0].body
        self.reference = dig(body, fields.reference)
        self.amount = dig(body, fields.amount)
        self.currency = dig(body, fields.currency)
        self.payee = dig(body, fields.payee)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Log:
    """All entries since the last reset."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def open(self, operation: str | None, request: Request) -> Entry:
        at = time.monotonic() - self._started
        entry = Entry(len(self._entries) + 1, at, operation, request.method, request.path, request.query)
        self._entries.append(entry)
        return entry

    def clear(self) -> None:
        self._entries.clear()

    @property
    def violations(self) -> list[Entry]:
        """Answers of the simulator's own that departed from the contract. There should never be one."""
        return [entry for entry in self._entries if entry.violation]

    def executed(self, operation: str | None = None) -> list[Entry]:
        return [e for e in self._entries if e.executed and operation in (None, e.operation)]
