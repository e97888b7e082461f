"""The calls that one success body answers: what a caller must have asked for the body to be the right answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.cases.case import Intent
from contracts.cases.spelling import encode
from contracts.document import Document, Operation
from contracts.mapping import Mapping
from contracts.reading import at, load_json, name, pointers, whole
from providers.sdk import ListQuery, Mark, Money, Order, PayeeAccount, PayoutSettings

_BY_ID = ("get", "statement")
_PLAIN = ("stats", "export", "get_settings", "login")
_LISTS = ("list_payouts", "list_requests")
_BULK = ("bulk_process", "bulk_complete")
_PAYEE = ("name", "iban", "account_number", "sort_code", "bic", "verification_id")


class NoCall(Exception):
    """A documented success body from which no call can be worked out; the text says what is missing."""


def intents(
    document: Document, mapping: Mapping, operation: Operation, body: Any, currency: str | None
) -> Iterator[Intent]:
    """One for each capability that the operation serves and that the body can be the answer of.

    Raises NoCall, and Unreadable where the body holds no amount to ask for. `currency` is the connection's.
    """
    for capability in mapping.capabilities(operation.id):
        intent = _Asking(document, mapping, operation, body, currency).of(capability)
        if intent is not None:
            yield intent


class _Asking:
    def __init__(
        self, document: Document, mapping: Mapping, operation: Operation, body: Any, currency: str | None
    ) -> None:
        self.document = document
        self.mapping = mapping
        self.operation = operation
        self.body = load_json(encode(body)) if body is not None else None
        self.currency = currency
        self.rule = mapping.operations[operation.id]
        self.places = mapping.raw["payout"]

    def of(self, capability: str) -> Intent | None:
        if capability in _PLAIN:
            return Intent(capability)
        if capability in _LISTS:
            return Intent(capability, {"query": ListQuery(limit=self._count())})
        if capability == "put_settings":
            return Intent(capability, {"settings": self._settings()})
        if capability in _BULK:
            return Intent(
                capability, {"ids": [example_id(self.document, self.operation, self.mapping)], "mark": Mark()}
            )
        if capability in ("create", "find"):
            return self._order(capability)
        return self._by_id(capability)

    def _count(self) -> int:
        items = at(self.body, self.rule["items_at"])
        return max(1, len(items)) if isinstance(items, list) else 1

    def _by_id(self, capability: str) -> Intent | None:
        """None where the body shows another state than this capability sets."""
        native = at(self.body, self.rule.get("payout_at", self.rule.get("data_at", "/-")))
        word = self.rule.get("sets", {}).get(capability)
        if word is not None and at(native, self.places["status"]) != word:
            return None
        shown = at(native, self.places["id"])
        id = name(shown) if shown is not None else example_id(self.document, self.operation, self.mapping)
        if capability in _BY_ID:
            return Intent(capability, {"id": id})
        return Intent(capability, {"id": id, "mark": self._mark(native)})

    def _mark(self, native: Any) -> Mark:
        """The reference that the proof wants to see again, and something in each other field that is carried."""
        carried = {field: f"test {field}" for field in self.rule["carries"] if field in ("notes", "reason")}
        if "reference" in self.rule["carries"]:
            proof = self.rule.get("proof", {}).get("reference", {}).get("at", self.places.get("reference", "/-"))
            carried["reference"] = at(native, proof) or "test-reference-0001"
        return Mark(**carried)

    def _settings(self) -> PayoutSettings:
        places = {
            field: at(self.body, self.rule["data_at"] + place) for field, place in self.mapping.raw["settings"].items()
        }
        amount = self.mapping.money(places["minimum"], None, self.currency)
        if amount is None:
            raise NoCall("the settings show no minimum")
        return PayoutSettings(**{**places, "day": whole(places["day"]), "minimum": Money(*amount)})

    def _order(self, capability: str) -> Intent | None:
        """The order that the body's first record echoes; None where it echoes none."""
        place = self.rule.get("payout_at")
        items = [at(self.body, place)] if place is not None else at(self.body, self.rule["items_at"])
        native = items[0] if isinstance(items, list) and items else None
        creating = self.mapping.operations[self.mapping.operation_of("create")]
        amount = self.mapping.money(at(native, self.places["amount"]), native, self.currency)
        reference = at(native, self.places["reference"])
        if native is None or amount is None or reference is None:
            return None
        shown = {field: self._echoed(creating, field, native) for field in creating["carries"]}
        payee: Any = {field: shown.get(f"payee.{field}") for field in _PAYEE}
        order = Order(
            reference=reference,
            amount=Money(*amount),
            payee=PayeeAccount(**payee),
            description=shown.get("description") or self._exemplary("description"),
        )
        return Intent(capability, {"order": order})

    def _echoed(self, creating: Any, field: str, native: Any) -> Any:
        """What a record shows of a field that an order carries: where the proof has it, else where the order has it."""
        proof = creating.get("proof", {}).get(field)
        carried = pointers(creating["carries"][field])[0].partition(" ")[2]
        return at(native, proof["at"] if proof else carried)

    def _exemplary(self, field: str) -> Any:
        """What the documented request shows of a field."""
        creating = self.document.operations[self.mapping.operation_of("create")]
        place = pointers(self.mapping.operations[creating.id]["carries"][field])[0].partition(" ")[2]
        for content in creating.body.values():
            for example in content.examples.values():
                if at(example, place) is not None:
                    return at(example, place)
        raise NoCall(f"no documented request of {creating.id} shows {place}")


def example_id(document: Document, operation: Operation, mapping: Mapping) -> str:
    """A native id that the documents show, as the operation takes it."""
    for parameter in operation.parameters:
        shown = [*parameter.examples, *document.resolve(parameter.schema).get("examples", ())]
        if parameter.name == "id" and shown:
            return str(shown[0])
    for content in operation.body.values():
        for example in content.examples.values():
            found = next((each[0] for each in example.values() if isinstance(each, list) and each), None)
            if found is not None:
                return str(found)
    raise NoCall(f"{operation.id} documents no example of an id")
