"""The next connection gets its own form of the call, and who cannot take it is passed over."""

from __future__ import annotations

from typing import Any, cast

import pytest
from msgspec.structs import replace

from gateway.engine.connection import Connection
from gateway.engine.moving import moved_on
from gateway.operation import Candidate, Operation, Routing, State
from providers.sdk import Account, Effect
from providers.tokenio import Settings, TokenIo

pytestmark = pytest.mark.anyio

REQUEST = (
    '{"reference": "invoice-1", "amount": {"currency": "GBP", "minor_units": 1023}, "description": "Invoice 2026 001",'
    ' "payee": {"name": "Test Supplier", "account_number": "31926819", "sort_code": "601613"}}'
)


class OtherBank(TokenIo):
    """Names payouts in its own way."""

    def reference(self, tenant: str, reference: str) -> str:
        return f"OTHER-{reference}"


class Stub:
    """A connection that takes what comes, or says why not."""

    def __init__(self, closed: str | None = None) -> None:
        self.provider = OtherBank(Account(None, Settings("test-account")))
        self.closed = closed

    async def closed_to(self, action: str) -> str | None:
        return self.closed


def an_operation(request: str = REQUEST) -> Operation:
    candidates = [
        Candidate(name, "taken" if name == "first" else "reserve", "") for name in ("first", "gone", "held", "other")
    ]
    return Operation(
        id="op-1", tenant="t", maker="maker", key="k", fingerprint="f", action="create", kind="payout",
        connection="first", effect=Effect.CREATE, request=request, state=State.SENDING, provider_reference="FIRST",
        carried=(), sent_at=0, created_at=0, updated_at=0,
        routing=Routing(route="suppliers", candidates=tuple(candidates)),
    )  # fmt: skip


async def moved(operation: Operation, **connections: Stub) -> Operation | None:
    spare = {"suppliers": ("gone", "held", "other")}
    return await moved_on(cast(dict[str, Connection], connections), spare, operation, "away")


async def test_the_next_that_takes_it_gets_its_own_reference() -> None:
    found: Any = await moved(an_operation(), held=Stub("held is held"), other=Stub())
    assert (found.connection, found.provider_reference) == ("other", "OTHER-invoice-1")
    assert found.carried == ("reference", "description")
    assert [(item.connection, item.verdict, item.why) for item in found.routing.candidates] == [
        ("first", "dropped", "away"),
        ("gone", "dropped", "gone is no longer a fallback of its route"),
        ("held", "dropped", "held is held"),
        ("other", "taken", ""),
    ]


async def test_who_cannot_carry_it_is_passed_over() -> None:
    assert await moved(an_operation(REQUEST.replace("Invoice 2026 001", "?")), held=Stub(), other=Stub()) is None


async def test_what_the_route_no_longer_names_takes_nothing() -> None:
    operation = an_operation()
    gone = replace(operation, routing=replace(operation.routing, route="affiliates"))
    assert await moved(gone, held=Stub(), other=Stub()) is None
