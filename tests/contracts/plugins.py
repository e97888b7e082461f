"""The plugins as the gateway finds them, and how each of their calls is built from a provider's own record."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, NamedTuple

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
    Payout,
    PayoutRequest,
    PayoutSettings,
    Provider,
    Reply,
    Secret,
)
from providers.tokenio import Settings as TokenIoSettings
from tests.contracts.oracle import Shape, at, minor_units, oracle_of, pointers

JSON = "application/json"
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


class Example(NamedTuple):
    """One documented success body."""

    operation: str
    name: str
    body: Any


def examples(document: Document) -> Iterator[Example]:
    for operation in document.operations.values():
        content = operation.responses["200"].content.get(JSON)
        for name, body in content.examples.items() if content else ():
            yield Example(operation.id, name, body)


class Asking(NamedTuple):
    """A call that asks for what one documented record shows, and what it asked."""

    capability: str
    call: Call[Any]
    asked: Shape


def asking(made: Provider, operation: str, body: Any) -> Iterator[Asking]:
    """The calls of an operation that a documented success body answers."""
    oracle = oracle_of(made.name)
    rule = oracle.operations[operation]
    for capability in pointers(rule["unified"]):
        if capability == "login":
            yield Asking(capability, login_call(), {})
        elif capability == "put_settings":
            sent = _settings(at(body, rule["data_at"]))
            yield Asking(capability, made.put_settings(sent), {"settings": sent})
        elif "payout_at" in rule:
            yield from _asking_one(made, capability, rule, at(body, rule["payout_at"]))
        elif capability != "find":
            query = ListQuery(limit=max(1, len(at(body, rule["items_at"]) or ()))) if "items_at" in rule else None
            call = getattr(made, capability)(query) if query else build(made, capability)
            yield Asking(capability, call, {})


def _asking_one(made: Provider, capability: str, rule: Any, native: Any) -> Iterator[Asking]:
    places = oracle_of(made.name).raw["payout"]
    id, word = str(at(native, places["id"])), rule.get("sets", {}).get(capability)
    asked = {"id": id, "word": word, "reference": at(native, places.get("reference", "/-"))}
    if word not in (None, at(native, places["status"])):
        return
    if capability == "create":
        order = order_of(native["initiation"])
        yield Asking(capability, made.create(order), asked | _sent(native["initiation"]))
    elif capability == "get":
        yield Asking(capability, made.get(id), asked)
    else:
        yield Asking(capability, getattr(made, capability)(id, Mark(reference=asked["reference"])), asked)


def order_of(initiation: Any) -> Order:
    """The order that a Token.io initiation echoes."""
    payee, amount = initiation["creditor"], initiation["amount"]
    account = PayeeAccount(
        name=payee["name"],
        iban=payee.get("iban"),
        account_number=payee.get("accountNumber"),
        sort_code=payee.get("sortCode"),
        bic=payee.get("bic"),
        verification_id=payee.get("accountVerificationId"),
    )
    money = Money(amount["currency"], minor_units(amount["value"], amount["currency"]))
    return Order(
        reference=initiation["refId"],
        amount=money,
        payee=account,
        description=initiation.get("description", "INV 1234"),
    )


def _sent(initiation: Any) -> Shape:
    payee, amount = initiation["creditor"], initiation["amount"]
    sent = {"amount": amount["value"], "amount.currency": amount["currency"]}
    names = {"payee.iban": "iban", "payee.account_number": "accountNumber", "payee.sort_code": "sortCode"}
    return sent | {name: payee.get(theirs) for name, theirs in names.items()}


def _settings(native: Any) -> PayoutSettings:
    return PayoutSettings(
        frequency=native["payout_frequency"],
        day=native["payout_day"],
        minimum=Money("USD", minor_units(native["min_payout"], "USD")),
        allow_early_requests=native["allow_early_requests"],
        auto_create=native["auto_create_payouts"],
    )


def shape_of(record: Payout | PayoutRequest) -> Shape:
    """A plugin's record in the words that the oracle uses."""
    shown: Shape = msgspec.to_builtins(record)
    found = {each: shown.get(each) for each in ("id", "status", "provider_status", "payout_id", "period")}
    found |= {each: shown.get(each) for each in ("reference", "created_at", "paid_at", "due_at")}
    found["payee"] = shown.get("payee") or {}
    found["amount"] = (record.amount.currency, record.amount.minor_units) if record.amount else None
    return found
