"""One provider's `mapping.yaml`: what its answers mean in the words of the unified API, worked out from data alone.

    mapping = Mapping.load("heldsway")
    mapping.payout({"id": 42, "status": "pending"}, "USD")      # {"id": "42", "status": "pending", ...}

It is the oracle that a plugin is judged by, so it uses no code of any plugin.
"""

from __future__ import annotations

import collections.abc
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from contracts.reading import (
    Unreadable,
    at,
    is_currency,
    is_text,
    minor_units,
    name,
    pointers,
    same_number,
    text,
    whole,
)

FOLDER = Path(__file__).parent
MARK_FIELDS = ("reference", "notes", "reason")

Shape = dict[str, Any]


class MappingInvalid(ValueError):
    """A mapping.yaml that its schema does not allow; the text names each place."""


class Mapping:
    """The oracle of one provider."""

    def __init__(self, raw: Any) -> None:
        faults = [
            f"/{'/'.join(map(str, each.instance_path))}: {each.message}" for each in _validator().iter_errors(raw)
        ]
        if faults:
            raise MappingInvalid("\n".join(faults))
        self.raw = raw
        self.provider: str = raw["provider"]

    @classmethod
    def load(cls, name: str | Path) -> Mapping:
        """By a provider's name (read once), or by the path of one that stands elsewhere. Raises MappingInvalid."""
        return cls(_read(name)) if isinstance(name, Path) else _shipped(name)

    @property
    def operations(self) -> dict[str, Any]:
        return dict(self.raw["operations"])

    @property
    def subject(self) -> Any:
        """What a test needs in order to make the plugin: currency, settings, fake credentials."""
        return self.raw["subject"]

    @property
    def unreachable(self) -> dict[str, str]:
        """What no case can show of the contract's schemas, and why."""
        return dict(self.raw.get("unreachable", {}))

    @property
    def secrets(self) -> dict[str, str]:
        """The fake credentials that stand in the mapping, by their names."""
        forms = self.subject.get("credentials", ())
        return {name: value for form in forms for name, value in form.items() if isinstance(value, str)}

    def capabilities(self, operation: str) -> list[str]:
        """What the unified API calls an operation; a login is among them."""
        return pointers(self.operations[operation]["unified"])

    def unified(self) -> list[tuple[str, str]]:
        """Each (capability, operationId); a login is no capability."""
        pairs = [(each, id) for id in self.operations for each in self.capabilities(id)]
        return [pair for pair in pairs if pair[0] != "login"]

    def operation_of(self, capability: str) -> str:
        return next(id for id in self.operations if capability in self.capabilities(id))

    def reads_nothing(self, operation: str) -> bool:
        """Whether a success shows nothing by itself: that of a write for which no proof is named."""
        rule = self.operations[operation]
        return rule["effect"] != "read" and "proof" not in rule and "put_settings" not in self.capabilities(operation)

    def believable(self, body: Any) -> Any:
        """The success body. Raises Unreadable where it says itself that nothing of it holds."""
        if "success_at" in self.raw and at(body, self.raw["success_at"]) not in (None, True):
            raise Unreadable("it says that it failed")
        return body

    def payout(self, native: Any, currency: str | None, lacks: Sequence[str] = ()) -> Shape:
        found = self.record(self.raw["payout"], self.raw["statuses"], native, currency, lacks)
        return {**found, "extensions": {} if "extensions" in lacks else self._extensions(native, found["amount"])}

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

    def section(self, section: str, native: Any, currency: str | None) -> Shape:
        """The figures, the settings or the token that an answer holds. Raises Unreadable."""
        places = self.raw[section].items()
        return {field: self._value(field, at(native, place), currency) for field, place in places}

    def money(self, value: Any, native: Any, currency: str | None) -> tuple[str, int] | None:
        """One amount in the provider's encoding. Raises Unreadable."""
        rule = self.raw["money"]
        if value is None:
            return None
        used = at(native, rule["currency"]["at"]) if "at" in rule["currency"] else currency
        if used is None:
            return None
        if not is_currency(used):
            raise Unreadable("no currency that we know")
        if rule["encoding"].startswith("decimal"):
            return used, minor_units(value, used)
        if is_text(value) != (rule["encoding"] == "integer_minor_string"):
            raise Unreadable("text for a number, or a number for text")
        return used, whole(value)

    def _amount(self, places: Any, native: Any, currency: str | None) -> tuple[str, int] | None:
        only = self.raw["money"].get("only_when")
        if "amount" not in places or (only and at(native, only["at"]) != only["equals"]):
            return None
        return self.money(at(native, places["amount"]), native, currency)

    def _extensions(self, native: Any, amount: object) -> Shape:
        """What people see beside the unified fields; a number is one that is whole.

        What stands in the amount's place is shown where it is no money.
        """
        taken = self.raw["payout"].get("amount") if amount is not None else None
        shown = {each: at(native, place) for each, place in self.raw["extensions"].items() if place != taken}
        return {each: _whole_or_as_it_is(value) for each, value in shown.items()}

    def _payee(self, places: Any, native: Any) -> Shape:
        shown = {each: name(at(native, place)) for each, place in places.items() if each == "id"}
        shown |= {each: text(at(native, place)) for each, place in places.items() if each in ("name", "email")}
        accounts = [text(at(native, place)) for place in places.get("account", {}).get("masked", ())]
        account = next((each for each in accounts if each), None)
        if account is not None:
            shown["account"] = "…" + account[len(account) - min(4, len(account) // 2) :]
        return {each: value for each, value in shown.items() if value is not None}

    def _value(self, field: str, value: Any, currency: str | None) -> Any:
        if field in _AMOUNTS:
            return self.money(value, None, currency)
        if value is None or (field in _FLAGS and not isinstance(value, bool)):
            raise Unreadable(f"no {field}")
        if field == "minimum":
            return self.money(value, None, currency)
        if field == "value" and re.fullmatch(r"[!-~]+", text(value) or "") is None:
            raise Unreadable("no token that a header could carry")
        if field == "expires_in" and whole(value) < 1:
            raise Unreadable("a token that has expired already")
        return value if field in _FLAGS else text(value) if field in _TEXTS else whole(value)

    def proves(self, operation: str, native: Any, asked: collections.abc.Mapping[str, Any]) -> bool:
        """Whether an answer shows what the write, or the read, asked for."""
        return not (self.contradictions(operation, native, asked) or self.gaps(operation, native))

    def contradictions(self, operation: str, native: Any, asked: collections.abc.Mapping[str, Any]) -> list[str]:
        """The fields of the proof that an answer shows otherwise than they were asked."""
        proof = {field: rule for field, rule in self._proof(operation).items() if field != "not_null"}
        return [field for field, rule in proof.items() if not _shows(field, rule, native, asked)]

    def shown(self, operation: str, field: str, native: Any) -> Any:
        """What an answer shows at the place of a proof's field."""
        rule = self._proof(operation)[field]
        return at(native, rule if field == "id" else rule["at"])

    def gaps(self, operation: str, native: Any) -> list[str]:
        """The pointers that a proof needs, where an answer holds nothing."""
        return [place for place in self._proof(operation).get("not_null", ()) if not at(native, place)]

    def _proof(self, operation: str) -> Any:
        return self.operations[operation].get("proof", {})


# The unified names of a section's fields, by what they are. A figure may be absent.
_AMOUNTS = {"pending_amount", "completed_this_month"}
_TEXTS = {"frequency", "value"}
_FLAGS = {"allow_early_requests", "auto_create"}


def _whole_or_as_it_is(value: Any) -> Any:
    try:
        return whole(value) if not is_text(value) and not isinstance(value, bool) else value
    except Unreadable:
        return value


def _shows(field: str, rule: Any, native: Any, asked: collections.abc.Mapping[str, Any]) -> bool:
    if field == "id":
        return bool(name(at(native, rule)) == asked["id"])
    shown = at(native, rule["at"])
    if rule.get("unless") == "absent" and not shown:
        return True
    wanted = {"sent": asked.get(field), "set": asked.get("word")}.get(rule["equals"], rule["equals"])
    if field == "amount" and shown is not None:
        return same_number(shown, wanted)
    return bool(shown == wanted)


@cache
def _shipped(name: str) -> Mapping:
    return Mapping(_read(FOLDER / name / "mapping.yaml"))


def _read(path: str | Path) -> Any:
    return yaml.safe_load(Path(path).read_text("utf-8"))


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    schema = json.loads((FOLDER / "mapping.schema.json").read_text("utf-8"))
    return jsonschema_rs.Draft202012Validator(schema)
