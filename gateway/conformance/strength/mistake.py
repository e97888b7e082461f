"""A mistake that integrations of payment providers are known to make, and which providers it can be made with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.mapping import Mapping as Oracle
from gateway.conformance.strength.mutant import Applied, Family, Inapplicable, Mutant
from providers.sdk import Call, Effect, RefusalKind


@dataclass(frozen=True, slots=True)
class Facts:
    """What a provider documents, and one call of each capability that its plugin offers (and of its login)."""

    oracle: Oracle
    calls: Mapping[str, Call[Any]]

    @property
    def rules(self) -> Iterable[Any]:
        return self.oracle.operations.values()

    def has(self, effect: Effect) -> bool:
        return any(call.effect is effect for call in self.calls.values())

    def refuses_as(self, kind: RefusalKind) -> bool:
        return any(kind in call.refuses.values() for call in self.calls.values())

    def carries(self, field: str, *, writing: bool = True) -> bool:
        return any(field in rule["carries"] and (rule["effect"] != "read") is writing for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Condition:
    """When a mistake can be made; `otherwise` tells why it cannot."""

    holds: Callable[[Facts], bool]
    otherwise: str


@dataclass(frozen=True, slots=True)
class Mistake:
    name: str
    applied: Applied
    needs: tuple[Condition, ...] = ()

    def mutant(self, facts: Facts) -> Mutant | Inapplicable:
        for condition in self.needs:
            if not condition.holds(facts):
                return Inapplicable(self.name, condition.otherwise)
        return Mutant(Family.DOMAIN, self.name, self.applied)


def _writes(facts: Facts) -> bool:
    return any(call.effect is not Effect.READ for call in facts.calls.values())


WRITES = Condition(_writes, "nothing is written")
CREATES = Condition(lambda facts: facts.has(Effect.CREATE), "no call moves money")
GUARDED = Condition(lambda facts: facts.has(Effect.GUARDED), "no write is guarded by the provider's own states")
CONVERGENT = Condition(lambda facts: facts.has(Effect.CONVERGENT), "no write sets a state")
MARKS = Condition(
    lambda facts: any(name in facts.calls for name in ("approve", "process", "complete", "fail", "reopen")),
    "no payout is marked",
)
SENDS_REFERENCE = Condition(lambda facts: facts.carries("reference"), "no write carries a reference")
SENDS_NOTES = Condition(lambda facts: facts.carries("notes"), "no write carries notes")
SENDS_BODY = Condition(lambda facts: any(call.body for call in facts.calls.values()), "no request has a body")
SENDS_HEADERS = Condition(
    lambda facts: any(call.headers for call in facts.calls.values()), "no request has headers of its own"
)
SENDS_AMOUNT = Condition(lambda facts: facts.carries("amount") or facts.carries("minimum"), "no write carries money")
FILTERS = Condition(lambda facts: facts.carries("status", writing=False), "no list is filtered by status")
PAGES = Condition(
    lambda facts: any(rule.get("next_page", {}).get("kind", "none") != "none" for rule in facts.rules),
    "no list has pages",
)
IDS_IN_PATHS = Condition(
    lambda facts: any(str(place).startswith("path ") for rule in facts.rules for place in rule["carries"].values()),
    "no path holds an id",
)
ECHOES = Condition(lambda facts: any("proof" in rule for rule in facts.rules), "nothing is proved by an echo")
ECHOES_ID = Condition(
    lambda facts: any("id" in rule.get("proof", {}) for rule in facts.rules), "no answer is proved by its id"
)
READS_PAYOUTS = Condition(
    lambda facts: any("payout_at" in rule or "items_at" in rule for rule in facts.rules), "no payout is read"
)
SHOWS_AMOUNT = Condition(lambda facts: "amount" in facts.oracle.raw["payout"], "no amount is shown")
DECIMALS = Condition(
    lambda facts: facts.oracle.raw["money"]["encoding"].startswith("decimal"),
    "amounts are whole minor units, whatever the currency",
)
SHOWS_OTHER_AMOUNTS = Condition(
    lambda facts: any("amount" in name for name in facts.oracle.raw["extensions"]), "a record shows one amount at most"
)
PAYMENT_DATES = Condition(lambda facts: "paid_at" in facts.oracle.raw["payout"], "no date of payment is shown")
MASKS = Condition(lambda facts: "account" in facts.oracle.raw["payout"].get("payee", {}), "no account is shown")
SECRETS = Condition(lambda facts: bool(facts.oracle.raw["secrets"]), "no answer holds a secret")
CODES = Condition(lambda facts: bool(facts.oracle.raw["errors"]["code_at"]), "errors have no codes")
RATE_LIMITED = Condition(
    lambda facts: facts.refuses_as(RefusalKind.RATE_LIMITED), "no call is documented to be limited"
)
CONFLICTS = Condition(lambda facts: facts.refuses_as(RefusalKind.CONFLICT), "no call is documented to conflict")
LOGS_IN = Condition(lambda facts: "login" in facts.calls, "credentials are sent as they are")
