"""What a plugin read, in the words that the mapping's oracle uses."""

from __future__ import annotations

from typing import Any

import msgspec

from contracts.expect import settings_in_words
from contracts.mapping import Shape
from providers.sdk import Figures, Page, Payout, PayoutRequest, PayoutSettings, Token

_TEXTS = ("id", "status", "provider_status", "payout_id", "period", "reference", "created_at", "paid_at", "due_at")


def in_words(result: Any) -> Any:
    """Anything that a plugin may read becomes plain data; what no plugin should return stays as it is."""
    match result:
        case Page():
            return [shape_of(item) for item in result.items], result.next
        case Payout() | PayoutRequest():
            return shape_of(result)
        case Token():
            return {"value": result.value.reveal(), "expires_in": result.expires_in}
        case PayoutSettings():
            return settings_in_words(result)
        case Figures():
            shown = {name: getattr(result, name) for name in result.__struct_fields__}
            return {name: pair(value) for name, value in shown.items()}
        case _:
            return result


def shape_of(record: Payout | PayoutRequest) -> Shape:
    shown: Shape = msgspec.to_builtins(record)
    found: Shape = {each: shown.get(each) for each in _TEXTS}
    found["payee"] = shown.get("payee") or {}
    found["amount"] = pair(record.amount)
    found["extensions"] = shown.get("extensions", {})
    return found


def pair(value: Any) -> Any:
    """Money as (currency, minor units); anything else as it is."""
    return (value.currency, value.minor_units) if hasattr(value, "minor_units") else value
