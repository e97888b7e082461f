"""The way in: what callers ask reaches a plugin through the API's own types, or is turned away there."""

from __future__ import annotations

from typing import Any

import msgspec

from contracts.cases import Intent
from contracts.intents import Ask
from gateway.engine.intent import CreateBody, order_of
from providers.sdk import ListQuery, Mark, PayoutSettings, Provider, UnknownCurrency, exponent

TENANT = "test-tenant"


def let_in(provider: Provider, ask: Ask) -> Intent | None:
    """The ask as the plugin hears it; None where the API's own types refuse it."""
    try:
        return Intent(ask.capability, _arguments(provider, ask))
    except (msgspec.ValidationError, UnknownCurrency):
        return None


def _arguments(provider: Provider, ask: Ask) -> dict[str, Any]:
    words = dict(ask.words)
    match ask.capability:
        case "create" | "find":
            body = msgspec.convert(words, CreateBody)
            exponent(body.amount.currency)
            return {"order": order_of(provider, TENANT, body)}
        case "list_payouts" | "list_requests":
            reference = words.pop("reference", None)
            stored = provider.reference(TENANT, reference) if reference else None
            asked = frozenset(words.pop("status", ()))
            return {"query": ListQuery(statuses=asked, reference=stored, **words)}
        case "put_settings":
            settings = msgspec.convert(words, PayoutSettings)
            exponent(settings.minimum.currency)
            return {"settings": settings}
        case "get" | "statement" | "stats" | "export" | "get_settings":
            return words
        case _:
            named: dict[str, Any] = {name: words.pop(name) for name in ("id", "ids") if name in words}
            return {**named, "mark": msgspec.convert(words, Mark)}
