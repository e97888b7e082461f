"""Gateways with limits and approvals, for tests over real HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from gateway.keys import hashed
from tests.api.conftest import config_of
from tests.conftest import Stack, four_simulators, order, stack_of

Change = Callable[[dict[str, Any]], None]
OTHER = {"Authorization": "Bearer test-key-of-another"}


@contextlib.asynccontextmanager
async def limited(
    folder: Path, *changes: Change, journal: str | None = None, gateways: int = 1
) -> AsyncIterator[list[Stack]]:
    """So many gateways over one journal, their config changed as the test likes. All scopes have a second key, too."""
    async with four_simulators() as simulators, contextlib.AsyncExitStack() as opened:
        raw = config_of(simulators, folder)
        everything = raw["api_keys"][0]
        raw["api_keys"].append(everything | {"name": "another", "sha256": hashed("test-key-of-another")})
        if journal is not None:
            raw["journal"]["url"] = journal
        for change in changes:
            change(raw)
        yield [await opened.enter_async_context(stack_of(raw, simulators)) for _ in range(gateways)]


def of_connection(name: str, **limits: Any) -> Change:
    def change(raw: dict[str, Any]) -> None:
        raw["connections"][name]["limits"] = limits

    return change


def of_key(name: str, **limits: Any) -> Change:
    def change(raw: dict[str, Any]) -> None:
        next(key for key in raw["api_keys"] if key["name"] == name)["limits"] = limits

    return change


def approvals(*policies: dict[str, Any]) -> Change:
    def change(raw: dict[str, Any]) -> None:
        raw["approvals"] = list(policies)

    return change


def gbp(**amounts: int) -> dict[str, dict[str, int]]:
    return {"GBP": amounts}


async def pay(
    stack: Stack, number: int, minor_units: int, key: dict[str, str] | None = None, **payee: str
) -> httpx.Response:
    """One create with a key and a reference of its own."""
    body = order(f"invoice-{number}", amount={"currency": "GBP", "minor_units": minor_units})
    body["payee"] = body["payee"] | payee
    return await stack.write("POST", "/v1/payouts", body, f"key-{number}", **(key or {}))


async def paid(stack: Stack) -> int:
    """Pence that the bank really paid, from its own log."""
    log = await stack.executed("bank", "create_payout")
    return sum(int(Decimal(entry["amount"]) * 100) for entry in log)
