"""The one request that an ask must become, worked out from mapping and contract, without any code of a plugin.

`wanted(terms, ask)` gives it, or raises: Unoffered, or Unfit with the fields of which a refusal must name one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.closed_world import departures
from contracts.comparing import Maybe
from contracts.composing import composed
from contracts.document import Document, Operation
from contracts.intents import Ask
from contracts.mapping import Mapping as Oracle
from contracts.reading import DIGITS, pointers

KEPT = ("reference", "notes", "reason", "description")  # what an operation tells its caller to have been taken along


class Unoffered(Exception):
    """The provider documents no such call."""


class Unfit(Exception):
    """The documents allow no such request. `fields` are pointers into the ask: one of them is to be named."""

    def __init__(self, fields: frozenset[str]) -> None:
        super().__init__(", ".join(sorted(fields)))
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Terms:
    """What an ask is judged by beside its own words: the connection's currency and settings, by the plugin's names.

    `reference` gives a caller's reference in the form that the provider stores.
    """

    document: Document
    oracle: Oracle
    currency: str | None
    settings: Mapping[str, Any]
    reference: Callable[[str], str]


class Want(NamedTuple):
    """The request that is right. `places` reads like {"query limit": ["50"], "path id": "42", "body /a": True}."""

    operation: Operation
    effect: str
    success: frozenset[int]
    places: Mapping[str, Any]
    carried: frozenset[str]
    reference: str | None


def wanted(terms: Terms, ask: Ask) -> Want:
    """Raises Unoffered and Unfit."""
    return _Carrying(terms, ask).wanted()


class _Carrying:
    def __init__(self, terms: Terms, ask: Ask) -> None:
        self.terms, self.ask = terms, ask
        found = [id for capability, id in terms.oracle.unified() if capability == ask.capability]
        if not found:
            raise Unoffered(ask.capability)
        self.operation = terms.document.operations[found[0]]
        self.rule = terms.oracle.operations[found[0]]
        # A look-up asks by reference; the rest of its order is what the answer is compared with.
        self.words = {"reference": ask.words["reference"]} if ask.capability == "find" else ask.words

    def wanted(self) -> Want:
        fields = {field: self._place(field, entry) for field, entry in self.rule["carries"].items()}
        values = {field: self._value(field, place) for field, place in fields.items()}
        places = {fields[field]: value for field, value in values.items() if value is not None}
        places |= self._given_by_the_connection()
        unfit = frozenset(self._unfit(fields, places))
        if unfit:
            raise Unfit(unfit)
        carried = frozenset(field for field in KEPT if values.get(field) is not None)
        writes = self.rule["effect"] != "read"
        reference = values.get("reference") if writes else None
        return Want(
            operation=self.operation,
            effect=self.rule["effect"],
            success=frozenset(self.rule["success"]),
            places=places,
            carried=carried if writes else frozenset(),
            reference=reference,
        )

    def _place(self, field: str, entry: Any) -> str:
        """Where a field goes; the connection's settings choose where the documents leave a choice."""
        candidates = pointers(entry)
        if len(candidates) == 1:
            return candidates[0]
        choice = self.terms.settings.get(self.rule["chosen_by"][field])
        chosen = [place for place in candidates if choice is not None and place.endswith(f"/{choice}")]
        if not chosen:
            raise Unoffered(self.ask.capability)
        return chosen[0]

    def _value(self, field: str, place: str) -> Any:
        value = given(self.words, field)
        match field:
            case "limit":
                return self._limit(value, place)
            case "status":
                return self._status(value or (), place)
            case "cursor" if value is None:
                first = self.rule["next_page"].get("first")
                return None if first is None else [str(first)]
            case "reference" if value is not None and self.ask.capability in ("create", "find", "list_payouts"):
                value = self.terms.reference(value)
        if isinstance(value, Mapping):
            value = self._amount(value)
        elif isinstance(value, date):
            value = value.isoformat()
        return [str(value)] if value is not None and place.startswith("query ") else value

    def _amount(self, money: Mapping[str, Any]) -> Decimal:
        decimal = self.terms.oracle.raw["money"]["encoding"].startswith("decimal")
        digits = DIGITS.get(money["currency"], 2) if decimal else 0
        return Decimal(f"{money['minor_units']}E-{digits}")  # not scaleb: it rounds to 28 digits

    def _limit(self, asked: int | None, place: str) -> list[str] | None:
        """The caller's limit, lowered to the provider's; a look-up asks for as many as there may be."""
        bounds = [each for each in (asked, self._schema(place).get("maximum")) if each is not None]
        return [str(min(bounds))] if bounds else None

    def _status(self, asked: Sequence[str], place: str) -> Any:
        """The provider's words for some statuses, where they say exactly what was asked, or nothing."""
        schema = self._schema(place)
        words = [word for word, status in self.terms.oracle.raw["statuses"].items() if status in asked]
        known = self.terms.document.resolve(schema.get("items", schema)).get("enum", words)
        if not words or "unknown" in asked or not set(words) <= set(known):
            return None
        if schema.get("type") != "array" and len(words) > 1:
            return None
        return words if schema.get("type") == "array" or len(asked) == 1 else Maybe(words)

    def _schema(self, place: str) -> Any:
        """That of a parameter; empty where the contract has no such one."""
        named = {f"{each.where} {each.name}": each.schema for each in self.operation.parameters}
        return self.terms.document.resolve(named.get(place, {}))

    def _given_by_the_connection(self) -> Iterator[tuple[str, Any]]:
        """What no caller says: the state that a call sets, the connection's settings, what is always sent."""
        if self.ask.capability in self.rule.get("sets", {}):
            yield self.rule["sets_at"], [self.rule["sets"][self.ask.capability]]
        for setting, place in self.rule.get("configured", {}).items():
            value = self.terms.settings.get(setting)
            if value is not None:
                yield place, [value] if place.startswith("query ") else value
        for place, value in self.rule.get("always", {}).items():
            yield place, [value]

    def _unfit(self, fields: Mapping[str, str], places: Mapping[str, Any]) -> Iterator[str]:
        yield from self._missing()
        yield from self._vanishing(fields)
        yield from self._not_accepted()
        yield from self._foreign_money(fields)
        sent = composed(self.terms.document, self.operation, places)
        for departure in departures(self.terms.document, sent, addressed=False):
            near = [field for field, place in fields.items() if _near(place, departure.place)]
            # Nothing of the caller's is near: the connection's own settings cannot be sent.
            yield from (pointer(field) for field in near or [""])

    def _missing(self) -> Iterator[str]:
        for field in self.rule["requires"]:
            if self.ask.capability != "find" and given(self.words, field) in (None, []):
                yield pointer(field)

    def _vanishing(self, fields: Mapping[str, str]) -> Iterator[str]:
        """What a write has no place for, and the gateway does not keep either."""
        for name, value in self.words.items() if self.rule["effect"] != "read" else ():
            parts = isinstance(value, Mapping) and name not in fields
            for field in [f"{name}.{part}" for part in value] if parts else [name]:
                if given(self.words, field) is not None and field not in fields and field not in self.rule["refuses"]:
                    yield pointer(field)

    def _not_accepted(self) -> Iterator[str]:
        """Ids and cursors outside their allow-list."""
        kind = "payout_request" if self.ask.capability.endswith("_request") else "payout"
        ids = self.terms.oracle.raw["ids"]
        patterns = {"id": ids.get(kind, ids["payout"]), **self.rule.get("accepts", {})}
        for field, pattern in patterns.items():
            value = self.words.get(field)
            if value is not None and not _fits(pattern, value):
                yield pointer(field)
        for place, id in enumerate(self.words.get("ids", ())):
            if not _fits(patterns["id"], id):
                yield f"/ids/{place}"

    def _foreign_money(self, fields: Mapping[str, str]) -> Iterator[str]:
        """Amounts in another currency than the connection's, where the request has no place for a currency."""
        for field, value in self.words.items():
            placeless = isinstance(value, Mapping) and field in fields and f"{field}.currency" not in fields
            if placeless and value["currency"] != self.terms.currency:
                yield pointer(f"{field}.currency")


def given(words: Mapping[str, Any], field: str) -> Any:
    """What an ask says of a field; None where it says nothing."""
    value: Any = words
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def pointer(field: str) -> str:
    return "/" + field.replace(".", "/") if field else ""


def _fits(pattern: str, text: str) -> bool:
    """`$` alone would let a newline at the end pass."""
    return re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text, re.ASCII) is not None


def _near(place: str, other: str) -> bool:
    """Whether one place is inside the other: "body /a/b" in "body /a", and both in "body"."""
    inside = place.startswith(other + "/") or other.startswith(place + "/")
    return inside or other in (place, place.partition(" ")[0])
