"""The oracle (`contracts/<provider>/mapping.yaml`) and what it expects, worked out without any code of the plugins."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "contracts"
PROVIDERS = ("firstpromoter", "heldsway", "ledger", "tokenio")
MARK_FIELDS = ("reference", "notes", "reason")

# By hand, so that a fault in the product's table shows.
DIGITS = {"USD": 2, "EUR": 2, "GBP": 2, "JPY": 0, "KWD": 3, "CLF": 4}
NUMBER = re.compile(r"-?([0-9]{1,16})(?:\.([0-9]{1,6}))?", re.ASCII)
WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)

Shape = dict[str, Any]


class Unreadable(Exception):
    """The documents allow no reading of this answer: a plugin must refuse it."""


class Spelt(str):
    """A JSON number with a point or an exponent, as it is spelt."""

    __slots__ = ()


def load_json(body: bytes) -> Any:
    """Raises Unreadable. Numbers keep their spelling; NaN is no JSON."""
    try:
        return json.loads(body, parse_float=Spelt, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Unreadable("not JSON") from None


def _refuse(name: str) -> Any:
    raise ValueError(name)


def at(value: Any, pointer: str) -> Any:
    """What a JSON pointer leads to; None where it leads nowhere."""
    for part in pointer.split("/")[1:]:
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def pointers(entry: str | Sequence[str]) -> list[str]:
    return [entry] if isinstance(entry, str) else list(entry)


def whole(value: Any) -> int:
    """A JSON integer, also when it is spelt 42.0. Raises Unreadable."""
    text = value.partition(".")[0] if isinstance(value, Spelt) and not value.partition(".")[2].strip("0") else value
    if isinstance(text, bool) or WHOLE.fullmatch(str(text)) is None:
        raise Unreadable("no whole number")
    return int(text)


def text(value: Any) -> str | None:
    if value is not None and (isinstance(value, Spelt) or not isinstance(value, str)):
        raise Unreadable("no text")
    return None if value is None else str(value)


def name(value: Any) -> str | None:
    """An id, as text."""
    return value if value is None or (isinstance(value, str) and not isinstance(value, Spelt)) else str(whole(value))


def minor_units(decimal: Any, currency: str) -> int:
    """Raises Unreadable for a float's spelling and for an amount that is finer than its currency."""
    match = NUMBER.fullmatch(str(decimal))
    if match is None or isinstance(decimal, bool) or (match[2] or "")[DIGITS[currency] :].strip("0"):
        raise Unreadable("no exact amount")
    return int(Decimal(str(decimal)).scaleb(DIGITS[currency]))


class Oracle:
    """One provider's oracle."""

    def __init__(self, provider: str) -> None:
        self.raw: Any = yaml.safe_load((FOLDER / provider / "mapping.yaml").read_text("utf-8"))
        self.provider = provider

    @property
    def operations(self) -> dict[str, Any]:
        return dict(self.raw["operations"])

    def unified(self) -> list[tuple[str, str]]:
        """Each (capability, operationId); a login is no capability."""
        pairs = [(each, id) for id, item in self.operations.items() for each in pointers(item["unified"])]
        return [pair for pair in pairs if pair[0] != "login"]

    def operation_of(self, capability: str) -> str:
        return next(id for each, id in self.unified() if each == capability)

    def believable(self, body: Any) -> Any:
        """The success body. Raises Unreadable where it says itself that nothing of it holds."""
        if "success_at" in self.raw and at(body, self.raw["success_at"]) not in (None, True):
            raise Unreadable("it says that it failed")
        return body

    def payout(self, native: Any, currency: str | None, lacks: Sequence[str] = ()) -> Shape:
        return self.record(self.raw["payout"], self.raw["statuses"], native, currency, lacks)

    def request(self, native: Any, currency: str | None) -> Shape:
        return self.record(self.raw["payout_request"], self.raw["request_statuses"], native, currency)

    def record(self, places: Any, statuses: Any, native: Any, currency: str | None, lacks: Sequence[str] = ()) -> Shape:
        """The unified fields of one record. Raises Unreadable."""
        word, id = text(at(native, places["status"])), name(at(native, places["id"]))
        # Wider than the pattern of ids that may be asked for: a new form of id must not hide a payment.
        if word is None or re.fullmatch(r"[\x21-\x7e]{1,128}", id or "") is None:
            raise Unreadable("no status, or no id at all")
        found: Shape = {"id": id, "provider_status": word}
        found["status"] = statuses.get(word, "unknown")
        for each in ("reference", "created_at", "paid_at", "due_at"):
            found[each] = text(at(native, places[each])) if each in places and each not in lacks else None
        found["payout_id"] = name(at(native, places["payout_id"])) if "payout_id" in places else None
        found["amount"] = self._amount(places, native, currency) if "amount" not in lacks else None
        found["payee"] = self._payee(places.get("payee", {}), native)
        period = places.get("period", {})
        found["period"] = {each: text(at(native, place)) for each, place in period.items()} or None
        return found

    def money(self, value: Any, native: Any, currency: str | None) -> tuple[str, int] | None:
        """One amount in the provider's encoding. Raises Unreadable."""
        rule = self.raw["money"]
        if value is None:
            return None
        used = at(native, rule["currency"]["at"]) if "at" in rule["currency"] else currency
        if used is None:
            return None
        if not isinstance(used, str) or used not in DIGITS:
            raise Unreadable("no currency that we know")
        if rule["encoding"].startswith("decimal"):
            return used, minor_units(value, used)
        plain = isinstance(value, str) and not isinstance(value, Spelt)
        if plain != (rule["encoding"] == "integer_minor_string"):
            raise Unreadable("text for a number, or a number for text")
        return used, whole(value)

    def _amount(self, places: Any, native: Any, currency: str | None) -> tuple[str, int] | None:
        only = self.raw["money"].get("only_when")
        if "amount" not in places or (only and at(native, only["at"]) != only["equals"]):
            return None
        return self.money(at(native, places["amount"]), native, currency)

    def _payee(self, places: Any, native: Any) -> Shape:
        shown = {each: name(at(native, place)) for each, place in places.items() if each == "id"}
        shown |= {each: text(at(native, place)) for each, place in places.items() if each in ("name", "email")}
        accounts = [text(at(native, place)) for place in places.get("account", {}).get("masked", ())]
        account = next((each for each in accounts if each), None)
        if account is not None:
            shown["account"] = "…" + account[len(account) - min(4, len(account) // 2) :]
        return {each: value for each, value in shown.items() if value is not None}

    def proves(self, operation: str, native: Any, asked: Mapping[str, Any]) -> bool:
        """Whether an answer shows what the write, or the read, asked for."""
        proof = dict(self.operations[operation].get("proof", {}))
        present = [at(native, place) for place in proof.pop("not_null", ())]
        if "id" in proof and name(at(native, proof.pop("id"))) != asked["id"]:
            return False
        return all(present) and all(_shows(each, rule, native, asked) for each, rule in proof.items())


def _shows(field: str, rule: Any, native: Any, asked: Mapping[str, Any]) -> bool:
    shown = at(native, rule["at"])
    if rule.get("unless") == "absent" and not shown:
        return True
    wanted = {"sent": asked.get(field), "set": asked.get("word")}.get(rule["equals"], rule["equals"])
    if field == "amount" and shown is not None and NUMBER.fullmatch(str(shown)):
        return Decimal(str(shown)) == Decimal(str(wanted))
    return bool(shown == wanted)


@cache
def oracle_of(provider: str) -> Oracle:
    return Oracle(provider)
