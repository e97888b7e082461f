"""Simulators in process (fast) and on real sockets (for what only a socket shows)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from contracts.simulator import PROVIDERS, Simulator

Open = Callable[..., httpx.AsyncClient]

# One call per provider that reads a payout, and one that writes.
READS = {
    "ledger": ("get_payout", "GET", "/v1/payouts/po_test_0002", None),
    "firstpromoter": ("list_payouts", "GET", "/payouts/list", None),
    "heldsway": ("get_payout", "GET", "/v1/payouts/42", None),
    "tokenio": ("get_payout", "GET", "/payouts/po:test0001:sim", None),
}
ORDER: dict[str, Any] = {
    "initiation": {
        "refId": "order-1",
        "description": "INV 2026-0415",
        "amount": {"value": "10.23", "currency": "GBP"},
        "debtor": {"accountId": "test-settlement-account-1"},
        "creditor": {"name": "Test Person One", "accountNumber": "31926819", "sortCode": "601613"},
    }
}
WRITES = {
    "ledger": (
        "mark_payout_paid",
        "POST",
        "/v1/admin/payouts/po_test_0002/mark-paid",
        {"external_ref": "r-1"},
    ),
    "firstpromoter": ("update_payout", "PUT", "/payouts/update?id=2710287&status=completed", None),
    "heldsway": ("complete_payout", "POST", "/v1/payouts/42/complete", {"reference": "r-1", "notes": "n"}),
    "tokenio": ("create_payout", "POST", "/payouts", ORDER),
}


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Opens a client on a simulator, with the credentials that it shows."""
    clients: list[httpx.AsyncClient] = []

    def open_client(simulator: Simulator, **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(simulator)
        shown = {**simulator.description.credentials, **headers}
        client = httpx.AsyncClient(transport=transport, base_url="http://simulator.test", headers=shown)
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        await client.aclose()


@pytest.fixture(params=list(PROVIDERS))
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def simulator(provider: str) -> Simulator:
    return Simulator(provider)


@pytest.fixture
def client(simulator: Simulator, opened: Open) -> httpx.AsyncClient:
    return opened(simulator)
