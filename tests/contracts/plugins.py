"""The plugins as the gateway finds them, and a call of each of their capabilities."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

import msgspec

from contracts.document import Document
from providers.heldsway import AccessToken, KeyPair
from providers.heldsway import Settings as HeldswaySettings
from providers.sdk import (
    Account,
    Call,
    ListQuery,
    Mark,
    Money,
    Order,
    PayeeAccount,
    PayoutSettings,
    Provider,
    Reply,
    Secret,
)
from providers.tokenio import Settings as TokenIoSettings

PROVIDERS = ("firstpromoter", "heldsway", "ledger", "tokenio")
SETTINGS: dict[str, Any] = {
    "heldsway": HeldswaySettings(bulk_key="ids"),
    "tokenio": TokenIoSettings("test-settlement-account-1"),
}
NATIVE = {"firstpromoter": "2710287", "heldsway": "42", "ledger": "po_test_0001", "tokenio": "po:Test1:Sim1"}
SOME_SETTINGS = PayoutSettings(
    frequency="monthly", day=1, minimum=Money("USD", 5000), allow_early_requests=True, auto_create=True
)
ORDER = Order(
    reference="MFRGGZDFMZTWQ2LKNM",
    amount=Money("GBP", 1023),
    payee=PayeeAccount(name="Test Person One", account_number="31926819", sort_code="601613"),
    description="INV 2026-0415",
)


def plugin_class(name: str) -> type[Provider]:
    (entry,) = entry_points(group="payout_gateway.providers", name=name)
    loaded: type[Provider] = entry.load()
    return loaded


def plugin(name: str, currency: str | None = "USD", settings: Any = None) -> Provider:
    cls = plugin_class(name)
    fixed = None if cls.names_currency else currency
    return cls(Account(fixed, settings or SETTINGS.get(name)))


def documented(provider: str) -> Document:
    return Document.load(provider)


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def build(made: Provider, capability: str, mark: Mark | None = None, id: str | None = None) -> Call[Any]:
    """A call of each capability, with arguments that every provider takes."""
    id = id or NATIVE[made.name]
    arguments: dict[str, tuple[Any, ...]] = {
        "create": (ORDER,),
        "find": (ORDER,),
        "get": (id,),
        "statement": (id,),
        "list_payouts": (ListQuery(),),
        "list_requests": (ListQuery(),),
        "stats": (),
        "export": (),
        "get_settings": (),
        "put_settings": (SOME_SETTINGS,),
        "bulk_process": ([id], mark or Mark()),
        "bulk_complete": ([id], mark or Mark()),
    }
    given = arguments.get(capability, (id, mark or Mark(reference="test-reference-1")))
    call: Call[Any] = getattr(made, capability)(*given)
    return call


def login_call() -> Call[Any]:
    call = plugin("heldsway").login(KeyPair(Secret("test-key-0001"), Secret("test-secret-0001")))
    assert call is not None
    return call


def access_token(value: str) -> AccessToken:
    return AccessToken(Secret(value))
