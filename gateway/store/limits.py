"""Limits, counted in the transaction that accepts a write: what was accepted today, and what is under way.

What counts is what the journal holds, so that nothing is counted twice and what proves unexecuted is free again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.config import Limits
from gateway.operation import Operation
from gateway.store.interface import JournalError, Transaction
from providers.sdk import Money

DAY = 24 * 3600 * 1000  # milliseconds
SOON = 1000  # when to ask again for what is free as soon as another write is answered
Name = Literal["per_payout", "per_payee_day", "per_day", "currency", "rate", "concurrency"]
AMOUNTS: tuple[Name, ...] = ("per_payout", "per_payee_day", "per_day")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose limits: a connection's, or an API key's."""

    kind: Literal["connection", "key"]
    name: str
    limits: Limits

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    def concerns(self, operation: Operation) -> bool:
        return self.name == (operation.connection if self.kind == "connection" else operation.maker)


class OverLimit(JournalError):
    """A limit refuses a write. `left` of `most`, in minor units where there is a currency.

    `frees_at` in milliseconds of the epoch, `frees_in` seconds from now; None: waiting does not help.
    """

    def __init__(
        self,
        holder: Holder,
        limit: Name,
        most: int | float,
        left: int,
        currency: str | None = None,
        asked: int = 0,
        now: int = 0,
        frees_at: int | None = None,
    ) -> None:
        super().__init__(_told(holder, limit, most, left, currency, asked))
        self.holder = str(holder)
        self.limit = limit
        self.most = most
        self.left = max(0, left)
        self.currency = currency
        self.frees_at = frees_at
        self.frees_in = None if frees_at is None else max(1, -((now - frees_at) // 1000))


def _told(holder: Holder, limit: Name, most: int | float, left: int, currency: str | None, asked: int) -> str:
    if limit == "currency":
        return f"{holder} has limits, and none for {currency}: it pays nothing in it"
    if currency is None:
        allowed = str(holder.limits.rate) if limit == "rate" else str(most)
        return f"{limit} of {holder} is {allowed}, and all of it is taken"
    has, free, wants = (f"{Money(currency, int(value)).decimal()} {currency}" for value in (most, max(0, left), asked))
    rest = f", of which {free} is left" if left < most else ""
    return f"{limit} of {holder} is {has}{rest}; this asks for {wants}"


def take_turns(tx: Transaction, holders: Sequence[Holder]) -> None:
    """Lets acceptances under one limit go one after another: two at once would not see what the other adds."""
    for name in sorted(str(holder) for holder in holders):
        tx.execute("INSERT INTO limit_turn (holder) VALUES (?) ON CONFLICT DO NOTHING", (name,))
        # The update that changes nothing takes the row's lock, on both engines alike.
        tx.execute("UPDATE limit_turn SET holder = holder WHERE holder = ?", (name,))


def refuse_over(tx: Transaction, operation: Operation, holders: Sequence[Holder]) -> None:
    """Raises OverLimit where an operation that was just written exceeds a limit; its writes are then rolled back.

    What only awaits approval is counted when it is accepted; what could never be accepted is refused at once.
    """
    for holder in holders:
        _refuse_crowd(tx, operation, holder)
        refuse_unfit(operation, holder)
        _refuse_day(tx, operation, holder)


def _refuse_crowd(tx: Transaction, operation: Operation, holder: Holder) -> None:
    most = holder.limits.concurrency
    if most is None or operation.accepted_at is None:
        return
    sql = f"SELECT COUNT(*) FROM operation WHERE {_column(holder)} = ? AND state IN ('accepted', 'sending')"  # noqa: S608
    if tx.execute(sql, (holder.name,))[0][0] > most:
        now = operation.accepted_at
        raise OverLimit(holder, "concurrency", most, 0, now=now, frees_at=now + SOON)


def refuse_unfit(operation: Operation, holder: Holder) -> None:
    """Raises OverLimit where an operation could never be accepted, however long it waited."""
    amounts, currency, asked = holder.limits.amounts, operation.currency, operation.minor_units
    if not amounts or currency is None or asked is None:
        return
    if currency not in amounts:
        raise OverLimit(holder, "currency", 0, 0, currency)
    for name, most in _given(holder, currency).items():
        if asked > most:
            raise OverLimit(holder, name, most, most, currency, asked)


def _given(holder: Holder, currency: str) -> dict[Name, int]:
    limits = holder.limits.amounts[currency]
    return {name: most for name in AMOUNTS if (most := getattr(limits, name)) is not None}


def _refuse_day(tx: Transaction, operation: Operation, holder: Holder) -> None:
    now, currency, asked = operation.accepted_at, operation.currency, operation.minor_units
    if not holder.limits.amounts or currency is None or asked is None or now is None:
        return
    given = _given(holder, currency)
    if not given.keys() - {"per_payout"}:
        return
    today = now - now % DAY
    for name, total in _spent(tx, operation, holder, today).items():
        most = given.get(name, total)
        if total > most:
            raise OverLimit(holder, name, most, most - (total - asked), currency, asked, now, today + DAY)


def _spent(tx: Transaction, operation: Operation, holder: Holder, today: int) -> dict[Name, int]:
    """Minor units that were accepted since the day began and are not proven unexecuted, this operation's included."""
    sql = (
        "SELECT COALESCE(SUM(CASE WHEN payee = ? THEN minor_units END), 0), COALESCE(SUM(minor_units), 0)"  # noqa: S608
        f" FROM operation WHERE {_column(holder)} = ? AND currency = ? AND accepted_at >= ? AND accepted_at < ?"
        " AND minor_units IS NOT NULL AND lapsed = 0"
    )
    parameters = (operation.payee, holder.name, operation.currency, today, today + DAY)
    of_payee, of_all = tx.execute(sql, parameters)[0]
    return {"per_payee_day": int(of_payee), "per_day": int(of_all)}


def _column(holder: Holder) -> str:
    return "connection" if holder.kind == "connection" else "maker"
