"""What the engine has to be told of a provider, beyond its contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.document import Operation
from contracts.simulator.state import Body, Record, State
from contracts.simulator.wire import Answer, Refused, Request

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """Where a payout holds what the execution log records and what some faults edit."""

    status: Path = ("status",)
    id: Path = ("id",)
    amount: Path | None = None
    currency: Path | None = None
    reference: Path | None = None
    payee: Path | None = None


@dataclass(slots=True)
class Call:
    """A request that passed the contract. `values` holds every parameter by name, typed; `touched` the
    records that a handler looked up or made."""

    operation: Operation
    request: Request
    state: State
    values: Mapping[str, Any]
    body: Any = None
    touched: list[Record] = field(default_factory=list)

    def payout(self) -> Record:
        """The payout that the call names. Raises Refused (404)."""
        return self.found(self.state.payouts.get(self.values["id"]))

    def found(self, record: Record | None) -> Record:
        if record is None:
            raise Refused(404, "there is no such record")
        self.touched.append(record)
        return record

    def changed(self, record: Record, **fields: Any) -> Body:
        self.state.payouts.change(record, **fields)
        return record.body


Handler = Callable[[Call], Any]


def _nothing(_: State) -> None:
    return None


def _just_set(state: State, record: Record, status: str) -> None:
    state.payouts.change(record, status=status)


@dataclass(frozen=True, slots=True)
class Description:
    """One provider. A handler returns the JSON body of a 200 (or a whole Answer) and raises Refused."""

    name: str
    credentials: Mapping[str, str]
    fields: Fields
    statuses: tuple[str, ...]
    payout_schema: str
    handlers: Mapping[str, Handler]
    authenticate: Callable[[Request, Operation, State], None]
    refuse: Callable[[Refused, Request], Answer]
    payouts_in: Callable[[Any], list[Any]]
    seed: Callable[[State], None]
    bad_request: int
    request_schema: str | None = None
    advance: Callable[[State], None] = _nothing
    set_status: Callable[[State, Record, str], None] = _just_set


def dig(body: Any, path: Path | None) -> Any:
    """What stands at a path, or None."""
    for name in path or ():
        if not isinstance(body, Mapping):
            return None
        body = body.get(name)
    return None if path is None else body
