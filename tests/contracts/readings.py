"""What must be read from a success body, by the oracle; and what a plugin read, in the same words."""

from __future__ import annotations

import re
from typing import Any

from providers.sdk import Call, Figures, Money, Page, Payout, PayoutRequest, PayoutSettings, Provider, Token
from tests.contracts.oracle import Oracle, Unreadable, at, oracle_of, text, whole
from tests.contracts.plugins import Asking, shape_of

# What a mark of Heldsway answers is documented nowhere, so its plugin reads nothing from it.
UNREAD = {
    "mark_payout_processing",
    "complete_payout",
    "fail_payout",
    "bulk_mark_processing",
    "bulk_complete",
    "approve_payout_request",
    "reject_payout_request",
}
SECTIONS = {
    "get_payout_stats": "figures",
    "create_access_token": "token",
    "get_payout_settings": "settings",
    "update_payout_settings": "settings",
}
FIGURES = {"pending_amount", "completed_this_month"}  # a provider may leave an amount out
TEXTS = {"frequency", "value"}
FLAGS = {"allow_early_requests", "auto_create"}


def proven(made: Provider, asking: Asking, body: Any) -> Any:
    """What must be read. Raises Unreadable where the answer does not prove what was asked."""
    oracle, operation = oracle_of(made.name), asking.call.operation
    rule = oracle.operations[operation]
    if "payout_at" in rule and operation not in UNREAD:
        oracle.believable(body)
        if not oracle.proves(operation, at(body, rule["payout_at"]), asking.asked):
            raise Unreadable("it proves nothing")
    wanted = expected(made, asking.call, body)
    if "settings" in asking.asked and wanted != in_words(asking.asked["settings"]):
        raise Unreadable("other settings than were sent")
    return wanted


def expected(made: Provider, call: Call[Any], body: Any) -> Any:
    """The oracle's reading of a success body. Raises Unreadable."""
    oracle, currency = oracle_of(made.name), made.account.currency
    rule = oracle.operations[call.operation]
    if call.operation in UNREAD:
        return None
    oracle.believable(body)
    if "items_at" in rule:
        return _page(oracle, call, body, currency)
    if "payout_at" in rule:
        return oracle.payout(at(body, rule["payout_at"]), currency, rule.get("lacks", ()))
    return _section(oracle, oracle.raw[SECTIONS[call.operation]], at(body, rule["data_at"]), currency)


def _page(oracle: Oracle, call: Call[Any], body: Any, currency: str | None) -> Any:
    items = at(body, oracle.operations[call.operation]["items_at"])
    if not isinstance(items, list):
        raise Unreadable("no list")
    read = oracle.request if call.operation == "list_payout_requests" else oracle.payout
    return [read(item, currency) for item in items], _next(oracle, call, body, len(items))


def _next(oracle: Oracle, call: Call[Any], body: Any, count: int) -> str | None:
    """Where the list goes on, as far as its body says it."""
    rule = oracle.operations[call.operation]["next_page"]
    if rule["kind"] == "page number":
        page, last = whole(at(body, rule["current_at"])), whole(at(body, rule["last_at"]))
        return str(page + 1) if page < last else None
    if rule["kind"] == "offset token":
        limit = int(dict(call.query)[rule["size"].removeprefix("query ")])
        return text(at(body, rule["read"])) or None if count >= limit else None
    return None


def _section(oracle: Oracle, places: Any, native: Any, currency: str | None) -> dict[str, Any]:
    return {name: _value(oracle, name, at(native, place), currency) for name, place in places.items()}


def _value(oracle: Oracle, name: str, value: Any, currency: str | None) -> Any:
    if name in FIGURES and value is None:
        return None
    if value is None or (name in FLAGS and not isinstance(value, bool)):
        raise Unreadable(f"no {name}")
    if name in (*FIGURES, "minimum"):
        return oracle.money(value, None, currency)
    if name == "value" and re.fullmatch(r"[!-~]+", text(value) or "") is None:
        raise Unreadable("no token that a header could carry")
    return value if name in FLAGS else text(value) if name in TEXTS else whole(value)


def in_words(result: Any) -> Any:
    """What a plugin read, in the oracle's words."""
    match result:
        case Page():
            return [shape_of(item) for item in result.items], result.next
        case Payout() | PayoutRequest():
            return shape_of(result)
        case Token():
            return {"value": result.value.reveal(), "expires_in": result.expires_in}
        case Figures() | PayoutSettings():
            shown = {name: getattr(result, name) for name in result.__struct_fields__}
            return {name: _pair(value) for name, value in shown.items()}
        case _:
            return result


def _pair(value: Any) -> Any:
    return (value.currency, value.minor_units) if isinstance(value, Money) else value
