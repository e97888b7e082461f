"""An operation as a row: its columns, and how its values are kept in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.operation import OPEN, Approval, Operation, Routing
from gateway.store.interface import Row
from providers.sdk import Payout


def as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


COLUMNS = tuple(field.name for field in msgspec.structs.fields(Operation))
# msgspec 0.22 gathers what it knows of a type at its first use; two threads that do so at once crash the process.
_GATHERED = msgspec.json.Decoder(Operation), msgspec.json.Decoder(Payout)
COLUMN_LIST = ", ".join(COLUMNS)
_ENCODED: tuple[tuple[int, Callable[[Any], Any]], ...] = (
    *((COLUMNS.index(name), str) for name in ("effect", "state", "reason", "step")),
    *((COLUMNS.index(name), as_json) for name in ("carried", "decisions", "payout", "approval", "routing")),
    *((COLUMNS.index(name), int) for name in ("acknowledged", "pinned")),
)
OPEN_STATES = ", ".join(f"'{state}'" for state in sorted(OPEN))


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
