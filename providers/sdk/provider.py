"""The base of every plugin: each capability is one method, and what a plugin does not define is not offered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from providers.sdk.call import Call, Effect, Problem, Refusal, RefusalKind, Reply
from providers.sdk.errors import FieldRefused, Malformed, Mismatch, NotOffered
from providers.sdk.money import Money
from providers.sdk.payout import (
    Figures,
    ListQuery,
    Mark,
    Order,
    Page,
    Payout,
    PayoutRequest,
    PayoutSettings,
    PayoutStatus,
)
from providers.sdk.secret import Secret

PRINTABLE = re.compile(r"[\x21-\x7e]{1,128}")

# Every capability of the unified API, in the order in which people read the matrix.
CAPABILITIES = (
    "create",
    "get",
    "list_payouts",
    "find",
    "approve",
    "process",
    "complete",
    "fail",
    "reopen",
    "bulk_process",
    "bulk_complete",
    "stats",
    "export",
    "statement",
    "list_requests",
    "approve_request",
    "reject_request",
    "get_settings",
    "put_settings",
)


PAGE = re.compile(r"[1-9][0-9]{0,17}")


class NoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plugin that needs none."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a plugin knows of its connection: nothing secret."""

    currency: str | None = None  # for providers that name none
    settings: Any = None  # an instance of the plugin's `settings_type`


@dataclass(frozen=True, slots=True)
class Token:
    """What a login yields; `expires_in` in seconds."""

    value: Secret
    expires_in: int


class Provider:
    """One payout system. Methods are pure: input to Call, Reply to result. All others raise NotOffered."""

    name: ClassVar[str]
    ids: ClassVar[re.Pattern[str]]
    statuses: ClassVar[Mapping[str, PayoutStatus]]
    credentials: ClassVar[tuple[type[msgspec.Struct], ...]]
    settings_type: ClassVar[type[msgspec.Struct]] = NoSettings
    names_currency: ClassVar[bool] = False  # False: the connection must name one
    unlisted: ClassVar[frozenset[PayoutStatus]] = frozenset()  # what the list drops
    keeps_references: ClassVar[bool] = True  # False: there is no place for an external reference
    reduced_get: ClassVar[bool] = False  # True: the single read lacks fields that the list has

    def __init__(self, account: Account) -> None:
        self.account = account

    # What the unified API may ask. Each docstring in gateway/api says what it means.

    def create(self, order: Order) -> Call[Payout]:
        raise NotOffered("create")

    def get(self, id: str) -> Call[Payout]:
        raise NotOffered("get")

    def list_payouts(self, query: ListQuery) -> Call[Page[Payout]]:
        raise NotOffered("list_payouts")

    def find(self, order: Order) -> Call[Page[Payout]]:
        raise NotOffered("find")

    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        raise NotOffered("approve")

    def process(self, id: str, mark: Mark) -> Call[Payout | None]:
        raise NotOffered("process")

    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        raise NotOffered("complete")

    def fail(self, id: str, mark: Mark) -> Call[Payout | None]:
        raise NotOffered("fail")

    def reopen(self, id: str, mark: Mark) -> Call[Payout | None]:
        raise NotOffered("reopen")

    def bulk_process(self, ids: Sequence[str], mark: Mark) -> Call[None]:
        raise NotOffered("bulk_process")

    def bulk_complete(self, ids: Sequence[str], mark: Mark) -> Call[None]:
        raise NotOffered("bulk_complete")

    def stats(self) -> Call[Figures]:
        raise NotOffered("stats")

    def export(self) -> Call[None]:
        raise NotOffered("export")

    def statement(self, id: str) -> Call[None]:
        raise NotOffered("statement")

    def list_requests(self, query: ListQuery) -> Call[Page[PayoutRequest]]:
        raise NotOffered("list_requests")

    def approve_request(self, id: str, mark: Mark) -> Call[PayoutRequest | None]:
        raise NotOffered("approve_request")

    def reject_request(self, id: str, mark: Mark) -> Call[PayoutRequest | None]:
        raise NotOffered("reject_request")

    def get_settings(self) -> Call[PayoutSettings]:
        raise NotOffered("get_settings")

    def put_settings(self, settings: PayoutSettings) -> Call[PayoutSettings]:
        raise NotOffered("put_settings")

    # What the gateway needs in order to send and to understand.

    def login(self, credentials: Any) -> Call[Token] | None:
        """The call that exchanges the credentials for a token; None where they are sent as they are."""
        return None

    def authorize(
        self, call: Call[Any], url: str, credentials: Any, token: Token | None, now: float
    ) -> Mapping[str, str]:
        """The headers that authenticate one request. `url` is the final one, `now` in seconds of the epoch."""
        raise NotImplementedError

    def problem(self, reply: Reply) -> Problem:
        """What an error body says. May raise Malformed."""
        raise NotImplementedError

    def reference(self, tenant: str, reference: str) -> str:
        """The caller's reference in the form that the provider stores."""
        return reference

    # What follows is the same for all.

    def status(self, word: str) -> PayoutStatus:
        return self.statuses.get(word, PayoutStatus.UNKNOWN)

    def words(self, statuses: frozenset[PayoutStatus]) -> list[str]:
        """The provider's words for some statuses; none where `unknown` is asked for, which no word covers."""
        if PayoutStatus.UNKNOWN in statuses:
            return []
        return [word for word, status in self.statuses.items() if status in statuses]

    def refusal(self, call: Call[Any], reply: Reply) -> Refusal:
        """Their error answer in our words. Raises nothing."""
        try:
            problem = self.problem(reply)
        except Malformed:
            problem = Problem()
        after = reply.headers.get("retry-after", "")
        seconds = int(after) if after.isascii() and after.isdigit() and len(after) < 7 else None
        return Refusal(call.refuses.get(reply.status, RefusalKind.UNCLEAR), reply.status, problem, seconds)

    @classmethod
    def offers(cls) -> dict[str, tuple[Effect, str]]:
        """Capability to (effect, the contract's operationId), for each method that the plugin defines."""
        methods = ((name, getattr(cls, name)) for name in CAPABILITIES)
        return {name: (method.effect, method.operation) for name, method in methods if hasattr(method, "effect")}

    def must_echo(
        self,
        payout: Payout,
        *,
        id: str | None = None,
        status: PayoutStatus | None = None,
        reference: str | None = None,
        amount: Money | None = None,
    ) -> Payout:
        """The payout, if it is the one that we asked for. Raises Mismatch, naming the fields and no values."""
        pairs = {
            "id": (id, payout.id),
            "status": (status, payout.status),
            "reference": (reference, payout.reference),
            "amount": (amount, payout.amount),
        }
        wrong = [name for name, (asked, got) in pairs.items() if asked is not None and asked != got]
        if wrong:
            raise Mismatch(f"the reply contradicts the request in: {', '.join(wrong)}")
        return payout

    def check_id(self, id: str, pointer: str = "/id") -> str:
        if self.ids.fullmatch(id) is None:
            raise FieldRefused(pointer, f"not an id of {self.name}: it must match {self.ids.pattern}")
        return id

    def shown_id(self, id: str) -> str:
        """An id out of a reply. Raises Malformed.

        Wider than `ids`: a new form of id must not make a payment that took effect look like none.
        """
        if PRINTABLE.fullmatch(id) is None:
            raise Malformed("a reply names an id that is none")
        return id

    def check_page(self, cursor: str) -> str:
        """The cursor of a list that is paged by number. Raises FieldRefused."""
        if PAGE.fullmatch(cursor) is None:
            raise FieldRefused("/cursor", "not a cursor of this list")
        return cursor
