"""What a caller wants written, decoded and addressed, before anything is promised."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec

from gateway.operation import Kind, Operation, Routing
from providers.sdk import Call, Mark, Money, Order, PayeeAccount, PayoutSettings, Provider, Text


class Charge(Money, frozen=True, forbid_unknown_fields=True):
    """The amount of a payout to initiate: more than nothing, and no more than 10^15 minor units."""

    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    minor_units: Annotated[int, msgspec.Meta(gt=0, le=10**15)]


class CreateBody(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The body of POST /v1/payouts. `reference` is the caller's own name for the payout."""

    reference: Text
    amount: Charge
    payee: PayeeAccount
    description: Text
    connection: str | None = None


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """One write as a caller asks for it. `fingerprint` tells two requests with one key apart."""

    tenant: str
    maker: str
    key: str
    item: str = ""
    fingerprint: str
    action: str
    kind: Kind = "payout"
    connection: str
    routing: Routing = Routing()
    target: str | None = None
    body: Mark | CreateBody | PayoutSettings


def fingerprint(method: str, path: str, body: msgspec.Struct) -> str:
    """SHA-256 of what was asked; the spelling of the JSON does not count."""
    canonical = msgspec.json.encode([method, path, body], order="deterministic")
    return hashlib.sha256(canonical).hexdigest()


def order_of(provider: Provider, tenant: str, body: CreateBody) -> Order:
    return Order(
        reference=provider.reference(tenant, body.reference),
        amount=Money(body.amount.currency, body.amount.minor_units),
        payee=body.payee,
        description=body.description,
    )


def call_of(provider: Provider, intent: Intent) -> Call[Any]:
    """The provider call of an intent. Raises FieldRefused and NotOffered: whatever cannot be carried is named here."""
    match intent.body:
        case CreateBody() as body:
            return provider.create(order_of(provider, intent.tenant, body))
        case PayoutSettings() as settings:
            return provider.put_settings(settings)
        case Mark() as mark:
            build = getattr(provider, intent.action)
            call: Call[Any] = build(intent.target, mark)
            return call


def intent_of(operation: Operation) -> Intent:
    """The intent that an operation was accepted with."""
    kinds: dict[str, Any] = {"create": CreateBody, "put_settings": PayoutSettings}
    return Intent(
        tenant=operation.tenant,
        maker=operation.maker,
        key=operation.key,
        item=operation.item,
        fingerprint=operation.fingerprint,
        action=operation.action,
        kind=operation.kind,
        connection=operation.connection,
        routing=operation.routing,
        target=operation.target,
        body=msgspec.json.decode(operation.request, type=kinds.get(operation.action, Mark)),
    )
