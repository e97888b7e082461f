"""What a simulated Heldsway account begins with."""

from __future__ import annotations

from decimal import Decimal

from contracts.simulator.state import Body, State

_PAYOUTS = (
    (41, "failed", "80.50"),
    (42, "pending", "1250.00"),
    (43, "pending", "75.25"),
    (44, "processing", "310.00"),
    (45, "processing", "42.10"),
    (46, "completed", "60.00"),
    (47, "completed", "2400.00"),
    (48, "pending", "19.99"),
    (49, "failed", "500.00"),
    (50, "pending", "333.33"),
    (51, "completed", "940.00"),
    (52, "pending", "0.07"),
)
_REQUESTS = (
    (10, "pending", "75.25", None),
    (11, "approved", "60.00", 46),
    (12, "rejected", "5.00", None),
    (13, "pending", "120.00", None),
)
_NAMES = ("One", "Two", "Three", "Four")


def seed(state: State) -> None:
    for id, status, amount in _PAYOUTS:
        state.payouts.add(_payout(id, status, amount))
    for id, status, amount, payout_id in _REQUESTS:
        state.requests.add(_request(id, status, amount, payout_id))
    state.change_settings(
        {
            "payout_frequency": "monthly",
            "payout_day": 1,
            "min_payout": Decimal("50.00"),
            "allow_early_requests": True,
            "auto_create_payouts": True,
        }
    )


def _payout(id: int, status: str, amount: str) -> Body:
    processed = f"2026-11-04T08:00:{id:02}Z" if status in ("processing", "completed") else None
    paid = f"2026-11-05T10:00:{id:02}Z" if status == "completed" else None
    failed = f"2026-11-04T09:00:{id:02}Z" if status == "failed" else None
    created = f"2026-11-01T06:00:{id:02}Z"
    return {
        "id": id,
        "status": status,
        **_affiliate(id),
        "amount": Decimal(amount),
        "method": "bank_transfer" if id % 2 else "paypal",
        "reference": f"TXN-{id:05}" if paid else None,
        "notes": None,
        "failure_reason": "Account closed" if failed else None,
        "created_at": created,
        "updated_at": paid or failed or processed or created,
        "processed_at": processed,
        "paid_at": paid,
    }


def _request(id: int, status: str, amount: str, payout_id: int | None) -> Body:
    return {
        "id": id,
        "status": status,
        **_affiliate(id),
        "amount": Decimal(amount),
        "created_at": f"2026-11-18T09:30:{id:02}Z",
        "payout_id": payout_id,
    }


def _affiliate(id: int) -> Body:
    name = _NAMES[id % 4]
    number = 7 + id % 4
    person = {"id": number, "name": f"Test Person {name}", "email": f"{name.lower()}@example.test"}
    return {"affiliate_id": number, "affiliate": person}
