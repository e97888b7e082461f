"""How a gateway's config names each simulated account: for `payout-gateway dev` and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.simulator import firstpromoter, heldsway, ledger, tokenio


@dataclass(frozen=True, slots=True)
class Account:
    """One account at a simulated provider: all values are fakes that the simulator accepts."""

    provider: str
    credentials: Mapping[str, str]
    currency: str | None = "USD"
    settings: Mapping[str, str] = field(default_factory=dict)


ACCOUNTS: Mapping[str, Account] = {
    "aff": Account("ledger", {"access_token": ledger.TOKEN}),
    "promo": Account("firstpromoter", {"api_key": firstpromoter.KEY}),
    "sway": Account("heldsway", {"api_key": heldsway.API_KEY, "api_secret": heldsway.API_SECRET}),
    "bank": Account(
        "tokenio",
        {"member_id": tokenio.MEMBER, "api_key": tokenio.KEY},
        currency=None,
        settings={"debtor_account_id": "a:test-settlement:sim"},
    ),
}
