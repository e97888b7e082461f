"""The config's limits: which of them a write is up to, and the rate at which writes are taken."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Literal

from gateway.config import Config, Limits
from gateway.coordination import Coordination, Rate
from gateway.operation import Operation
from gateway.store.limits import Holder, OverLimit
from providers.sdk import PayeeAccount

LOCAL_IN_IBAN = ("GB", "GG", "IM", "JE")  # their IBANs spell the sort code and the account number


class Limiter:
    """Limits by connection and by API key. Amounts and concurrency are counted in the journal, rates are shared."""

    def __init__(self, config: Config, coordination: Coordination) -> None:
        self.holders = {str(holder): holder for holder in limited(config)}
        self.coordination = coordination

    def of(self, operation: Operation) -> list[Holder]:
        """The limits that hold for an operation."""
        key = self.holders.get(f"key {operation.maker}")
        return self.of_connection(operation.connection) + ([key] if key else [])

    def of_connection(self, name: str) -> list[Holder]:
        holder = self.holders.get(f"connection {name}")
        return [holder] if holder else []

    async def take(self, holders: Sequence[Holder]) -> None:
        """Takes a write's place in each rate. Raises OverLimit."""
        for holder in holders:
            rate = holder.limits.rate
            wait = await self.coordination.take(bucket(holder)) if rate else 0.0
            if rate and wait > 0:
                now = int(time.time() * 1000)
                raise OverLimit(holder, "rate", rate.per_minute, 0, now=now, frees_at=now + int(wait * 1000) + 1)


def limited(config: Config) -> list[Holder]:
    """Everyone whom the config limits."""
    connections = _holders("connection", {name: item.limits for name, item in config.connections.items()})
    return connections + _holders("key", {key.name: key.limits for key in config.api_keys})


def _holders(kind: Literal["connection", "key"], limits: Mapping[str, Limits]) -> list[Holder]:
    return [Holder(kind, name, each) for name, each in limits.items() if each != Limits()]


def rates_of(config: Config) -> dict[str, Rate]:
    """The rates at which writes are taken, by bucket."""
    rates = ((bucket(holder), holder.limits.rate) for holder in limited(config))
    return {name: Rate(rate.per_minute, rate.burst) for name, rate in rates if rate}


def bucket(holder: Holder) -> str:
    """No connection's name has a colon, so this is never the bucket of what is sent on one."""
    return f"writes:{holder.kind}:{holder.name}"


def payee_digest(payee: PayeeAccount) -> str:
    """Tells one account from another, however it is written and whoever it is said to belong to."""
    if payee.iban is None:
        account, sort_code = payee.account_number, payee.sort_code
    elif payee.iban.startswith(LOCAL_IN_IBAN):
        account, sort_code = payee.iban[14:22], payee.iban[8:14]
    else:
        account, sort_code = payee.iban, None
    return hashlib.sha256(f"{sort_code or ''} {account}".encode()).hexdigest()
