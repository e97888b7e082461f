"""Whether a mapping and its contract speak of the same things: every documented word, status and field has a meaning.

A contract has to agree with itself first: an example that its own schema refuses is a fault, too.

A field of a payout is mapped, or listed under `unmapped` with the reason why not; one of a mark is carried or refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from contracts.document import Document
from contracts.examples import untrue
from contracts.expect import SECTIONS
from contracts.mapping import MARK_FIELDS, Mapping
from contracts.reading import pointers

MARKS = frozenset({"approve", "process", "complete", "fail", "reopen", "approve_request", "reject_request"})


def disagreements(document: Document, mapping: Mapping) -> list[str]:
    """Every way in which the two differ, in words; before them, where the contract's examples break its schemas."""
    broken = [f"examples: {fault}" for fault in untrue(document)]
    if mapping.operations.keys() != document.operations.keys():
        odd = sorted(mapping.operations.keys() ^ document.operations.keys())
        return [*broken, f"operations: {', '.join(odd)} stand in one of contract and mapping only"]
    checked = _Agreement(document, mapping)
    return [*broken, *(fault for check in checked.checks for fault in check())]


class _Agreement:
    def __init__(self, document: Document, mapping: Mapping) -> None:
        self.document = document
        self.mapping = mapping
        self.raw = mapping.raw
        self.checks = (
            self._operations,
            self._marks,
            self._words,
            self._pointers,
            self._fields,
            self._secrets,
            self._carried,
            self._ids,
        )

    def _operations(self) -> Iterator[str]:
        """Statuses, effects and capabilities of each operation."""
        for id, rule in self.mapping.operations.items():
            operation = self.document.operations[id]
            given = {*rule["errors"], *map(str, rule["success"])}
            yield from _differ(f"operations.{id}: statuses", given, set(operation.responses))
            if (rule["effect"] == "read") != (operation.is_read or operation.login):
                yield f"operations.{id}: {operation.method} is no {rule['effect']}"
            if rule["effect"] == "guarded" and "409" not in rule["errors"]:
                yield f"operations.{id}: guarded, and yet no 409 is documented that would refuse a repeat"
        named = [each for each, _ in self.mapping.unified()]
        yield from (f"{each}: more than one operation serves it" for each in sorted({*_doubles(named)}))

    def _marks(self) -> Iterator[str]:
        """A caller's field is carried or refused, never both and never neither."""
        for capability, id in self.mapping.unified():
            rule = self.mapping.operations[id]
            yield from (
                f"operations.{id}: {each} is carried and refused" for each in {*rule["carries"]} & {*rule["refuses"]}
            )
            for field in MARK_FIELDS if capability in MARKS else ():
                if field not in rule["carries"] and field not in rule["refuses"]:
                    yield f"operations.{id}: {field} is neither carried nor refused"

    def _words(self) -> Iterator[str]:
        """Every documented word has a meaning, and no other."""
        words = self._known(self._record("list_payouts"), self.raw["payout"]["status"])
        yield from _differ("statuses", set(self.raw["statuses"]), words)
        if "payout_request" in self.raw:
            known = self._known(self._record("list_requests"), self.raw["payout_request"]["status"])
            yield from _differ("request_statuses", set(self.raw["request_statuses"]), known)
        used = {*self.raw["final"]}
        for rule in self.mapping.operations.values():
            used |= {*rule.get("sets", {}).values(), *rule.get("only_statuses", ())}
        for move in self.raw["transitions"].values():
            used |= {*move["from"], move["to"]}
        yield from (f"statuses: {word} is used, and no document has it" for word in sorted(used - words))

    def _pointers(self) -> Iterator[str]:
        """Every pointer leads to a documented field."""
        payout = self._record("list_payouts")
        for place in (*_leaves(self.raw["payout"]), *self.raw["extensions"].values(), *self.raw["secrets"]):
            yield from self._leads("payout", payout, place)
        if "payout_request" in self.raw:
            request = self._record("list_requests")
            for place in _leaves(self.raw["payout_request"]):
                yield from self._leads("payout_request", request, place)
        for id, rule in self.mapping.operations.items():
            yield from self._operation_pointers(id, rule, payout)

    def _operation_pointers(self, id: str, rule: Any, payout: Any) -> Iterator[str]:
        body = self._success(id)
        holders = [rule[key] for key in ("payout_at", "items_at", "data_at") if key in rule]
        for place in holders:
            yield from self._leads(f"operations.{id}", body, place)
        for place in _proof_places(rule.get("proof", {})):
            yield from self._leads(f"operations.{id}.proof", payout, place)
        for section in {SECTIONS[each] for each in self.mapping.capabilities(id) if each in SECTIONS}:
            for place in _leaves(self.raw[section]):
                yield from self._leads(section, body, rule.get("data_at", "") + place)

    def _leads(self, what: str, schema: Any, place: str) -> Iterator[str]:
        if place and not self._at(schema, place):
            yield f"{what}: no document has a field {place}"

    def _fields(self) -> Iterator[str]:
        """Every documented field of a payout is mapped, or has a reason not to be."""
        places = set(self._places(self._record("list_payouts"), ""))
        money = self.raw["money"]
        mapped = {*_leaves(self.raw["payout"]), money["currency"].get("at"), money.get("only_when", {}).get("at")}
        left_out = {f"/{name}" for name in self.raw["unmapped"]}
        for place in sorted(places):
            if not any(place == each or place.startswith(f"{each}/") for each in (mapped | left_out) - {None}):
                yield f"unmapped: {place} is documented, and neither mapped nor left out with a reason"
        for place in sorted(left_out):
            yield from self._leads("unmapped", self._record("list_payouts"), place)

    def _secrets(self) -> Iterator[str]:
        payout = self._record("list_payouts")
        flagged = {place for place in self._places(payout, "") if self._at(payout, place).get("x-secret")}
        yield from _differ("secrets", set(self.raw["secrets"]), flagged)
        yield from (f"extensions: {place} is a secret" for place in flagged & set(self.raw["extensions"].values()))

    def _carried(self) -> Iterator[str]:
        """What is carried has a documented place in the request."""
        for id, rule in self.mapping.operations.items():
            operation = self.document.operations[id]
            known = {(each.where, each.name) for each in operation.parameters}
            for place in (each for entry in rule["carries"].values() for each in pointers(entry)):
                where, _, name = place.partition(" ")
                bodies = [content.schema for content in operation.body.values()]
                found = any(self._at(schema, name) for schema in bodies) if where == "body" else (where, name) in known
                if not found:
                    yield f"operations.{id}: no document has a place {place!r} in its request"

    def _ids(self) -> Iterator[str]:
        """Ids are matched by the pattern that the contract gives them in a path or a query."""
        shown = set()
        for operation in self.document.operations.values():
            for each in operation.parameters:
                if each.where == "path" or (each.where, each.name) == ("query", "id"):
                    shown.add(self.document.resolve(each.schema).get("pattern"))
        yield from _differ("ids", set(self.raw["ids"].values()), shown)

    def _success(self, id: str) -> Any:
        rule, operation = self.mapping.operations[id], self.document.operations[id]
        contents = operation.responses[str(rule["success"][0])].content.values()
        return next((content.schema for content in contents), {})

    def _record(self, capability: str) -> Any:
        """The schema of one record of a list, the fullest that there is; without a list, that of a single one."""
        operations = self.mapping.operations
        listing = [id for id in operations if capability in self.mapping.capabilities(id)]
        if listing:
            listed = self._at(self._success(listing[0]), operations[listing[0]]["items_at"])
            return self.document.resolve(listed.get("items", {}))
        return next(
            (self._at(self._success(id), rule["payout_at"]) for id, rule in operations.items() if "payout_at" in rule),
            {},
        )

    def _at(self, schema: Any, place: str) -> Any:
        """The schema of the field that a pointer leads to; empty where there is none."""
        schema = self.document.resolve(schema)
        for part in place.split("/")[1:]:
            schema = self.document.resolve(self._named(schema).get(part, {}))
        return schema

    def _named(self, schema: Any) -> dict[str, Any]:
        """The properties of a schema and of its branches."""
        schema = self.document.resolve(schema)
        named: dict[str, Any] = dict(schema.get("properties", {}))
        for branch in (each for keyword in ("allOf", "anyOf", "oneOf") for each in schema.get(keyword, ())):
            named = self._named(branch) | named
        return named

    def _places(self, schema: Any, place: str) -> Iterator[str]:
        """The pointers of all leaves."""
        named = self._named(schema)
        if not named:
            yield place
        for name, child in named.items():
            yield from self._places(child, f"{place}/{name}")

    def _known(self, schema: Any, place: str) -> set[str]:
        found = self._at(schema, place)
        return {*found.get("enum", ()), *found.get("x-known-values", ())}


def _differ(what: str, given: set[Any], documented: set[Any]) -> Iterator[str]:
    yield from (
        f"{what}: {each} is documented, and the mapping lacks it" for each in sorted(map(str, documented - given))
    )
    yield from (f"{what}: {each} is mapped, and no document has it" for each in sorted(map(str, given - documented)))


def _doubles(names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _leaves(child)


def _proof_places(proof: Any) -> Iterator[str]:
    for name, rule in proof.items():
        yield from rule if name == "not_null" else [rule] if name == "id" else [rule["at"]]
