"""Records as the engine would write them, and what tests often ask of a journal."""

from __future__ import annotations

from itertools import count
from typing import Any

from gateway.operation import Attempt, Observation, Operation, State
from gateway.store.interface import Accepted, Store
from gateway.store.journal import accept
from gateway.store.questions import find
from providers.sdk import Money, Payout, PayoutStatus

_numbers = count(1)
TENANT = "default"


def operation(**changes: Any) -> Operation:
    """A create that is being sent; each has its own key and reference."""
    number = next(_numbers)
    plain: dict[str, Any] = {
        "id": f"op_{number:032x}",
        "tenant": TENANT,
        "maker": "test-maker",
        "key": f"key-{number}",
        "fingerprint": "test-fingerprint",
        "action": "create",
        "kind": "payout",
        "connection": "bank",
        "effect": "create",
        "request": '{"description":"100 % of it? yes"}',
        "reference": f"invoice-{number}",
        "currency": "GBP",
        "minor_units": 2**40,
        "carried": ("reference",),
        "state": State.SENDING,
        "attempts": 1,
        "sent_at": 1_800_000_000_000,
        "created_at": 1_800_000_000_000,
        "updated_at": 1_800_000_000_000,
    }
    return Operation(**(plain | changes))


def mark(target: str = "42", action: str = "complete", **changes: Any) -> Operation:
    """A mark on a payout that exists."""
    return operation(action=action, effect="guarded", target=target, connection="desk", **changes)


def attempt(of: Operation, number: int = 1) -> Attempt:
    return Attempt(operation=of.id, number=number, started_at=of.sent_at)


def payout(id: str = "po:1:2") -> Payout:
    amount = Money("GBP", 1023)
    return Payout(id=id, status=PayoutStatus.COMPLETED, provider_status="paid", amount=amount, extensions={"a": "1"})


def observation(at: int, source: str = "test") -> Observation:
    return Observation(connection="bank", target="po:1:2", at=at, source=source, payout=payout())


async def put(store: Store, wanted: Operation) -> Accepted:
    """Accepts an operation together with its first attempt."""
    return await store.write(lambda tx: accept(tx, wanted, attempt(wanted)))


async def get(store: Store, wanted: Operation) -> Operation | None:
    return await store.read(lambda tx: find(tx, wanted.tenant, wanted.id))


async def ids(store: Store) -> set[str]:
    return {row[0] for row in await store.read(lambda tx: tx.execute("SELECT id FROM operation"))}
