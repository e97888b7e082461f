"""Each documented provider operation is reached through its unified call, over real HTTP."""

from __future__ import annotations

import pytest

from tests.conftest import Stack, order

pytestmark = pytest.mark.anyio


async def test_a_payout_is_created_once_and_read_back(stack: Stack) -> None:
    made = await stack.write("POST", "/v1/payouts", order())
    assert made.status_code == 201, made.text
    again = await stack.write("POST", "/v1/payouts", order())
    assert again.status_code == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["operation"]["id"] == made.json()["operation"]["id"]
    assert len(await stack.executed("bank", "create_payout")) == 1
    read = await stack.call.get(f"/v1/payouts/{made.json()['payout']['id']}")
    assert read.json()["reference"] == "invoice-1"
    assert read.json()["amount"] == {"currency": "GBP", "minor_units": 1023}
