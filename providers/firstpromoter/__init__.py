"""FirstPromoter, API v1: one call sets a payout's status, one lists payouts.

Document: firstpromoter-update; the list and the error bodies come from the provider's public v1 reference.
No payout names a currency, and only the unit `cash` is money. Promoters carry passwords and tokens: the types
below have no place for them, so that they cannot travel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.sdk import (
    ABSENT,
    Call,
    ListQuery,
    Malformed,
    Mark,
    Money,
    Page,
    Payee,
    Payout,
    PayoutStatus,
    Problem,
    Provider,
    RefusalKind,
    Reply,
    Secret,
    Token,
    bare_text,
    convergent,
    decode,
    optional_whole,
    plain_text,
    read,
    whole,
)

LISTED = {401: RefusalKind.CREDENTIALS, 422: RefusalKind.INVALID, 429: RefusalKind.RATE_LIMITED}
MARK = {**LISTED, 404: RefusalKind.NOT_FOUND}

# Only "pagination details are held on response headers" is documented; a Link header is implied (2026-11-20).
NEXT_PAGE = re.compile(r'<[^<>]*[?&]page=([1-9][0-9]{0,8})[^<>]*>\s*;\s*rel="?next"?')
LINK_LIMIT = 4096  # the search takes the square of what a hostile header holds


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The account's API key."""

    api_key: Secret


class Promoter(msgspec.Struct):
    id: msgspec.Raw = ABSENT
    email: str | None = None


class Campaign(msgspec.Struct):
    id: msgspec.Raw = ABSENT
    name: str | None = None


class Record(msgspec.Struct):
    """The payout, without what must not leave. Numbers are raw: 42.0 is an integer too."""

    id: msgspec.Raw
    status: str
    amount: msgspec.Raw = ABSENT
    unit: str | None = None
    created_at: str | None = None
    date_paid: str | None = None
    due_date: str | None = None
    has_issues: bool | None = None
    promoter: Promoter | None = None
    campaign: Campaign | None = None


class Failure(msgspec.Struct):
    """v1 says `error` here and `message` on its other calls."""

    error: str | None = None
    message: str | None = None


class FirstPromoter(Provider):
    name = "firstpromoter"
    ids = re.compile(r"[1-9][0-9]{0,17}")
    # The last two are words of v2 that v1 may show (2026-11-20).
    statuses = {
        "pending": PayoutStatus.PENDING,
        "processing": PayoutStatus.PROCESSING,
        "completed": PayoutStatus.COMPLETED,
        "failed": PayoutStatus.FAILED,
        "cancelled": PayoutStatus.CANCELLED,
    }
    credentials = (Credentials,)
    keeps_references = False

    @read("list_payouts")
    def list_payouts(self, query: ListQuery) -> Call[Page[Payout]]:
        asked = [("page", self.check_page(query.cursor))] if query.cursor is not None else []
        words = [word for word in self.words(query.statuses) if word in ("pending", "processing", "completed")]
        if len(query.statuses) == len(words) == 1:
            asked.append(("status", words[0]))
        return Call("GET", "/payouts/list", query=tuple(asked), reads=self._page, refuses=LISTED)

    @convergent("update_payout")
    def process(self, id: str, mark: Mark) -> Call[Payout | None]:
        return self._set(id, "processing")

    @convergent("update_payout")
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        return self._set(id, "completed")

    @convergent("update_payout")
    def reopen(self, id: str, mark: Mark) -> Call[Payout | None]:
        return self._set(id, "pending")

    def _set(self, id: str, word: str) -> Call[Payout | None]:
        def updated(reply: Reply) -> Payout:
            return self.must_echo(self._payout(decode(reply, Record)), id=id, status=self.status(word))

        asked = (("id", self.check_id(id)), ("status", word))
        return Call("PUT", "/payouts/update", query=asked, reads=updated, refuses=MARK)

    def _page(self, reply: Reply) -> Page[Payout]:
        more = NEXT_PAGE.search(reply.headers.get("link", "")[:LINK_LIMIT])
        items = [self._payout(item) for item in decode(reply, list[Record])]
        return Page(items, more[1] if more else None)

    def _payout(self, item: Record) -> Payout:
        return Payout(
            id=self.shown_id(str(whole(item.id))),
            status=self.status(item.status),
            provider_status=item.status,
            amount=self._amount(item),
            payee=self._payee(item),
            created_at=item.created_at,
            paid_at=item.date_paid,  # stays null in the documented sample of a completed payout: no proof
            due_at=item.due_date,
            extensions=self._extensions(item),
        )

    def _payee(self, item: Record) -> Payee | None:
        if item.promoter is None:
            return None
        id = optional_whole(item.promoter.id)
        return Payee(None if id is None else str(id), email=item.promoter.email)

    def _amount(self, item: Record) -> Money | None:
        units = optional_whole(item.amount)
        # Points, credits, free months are a count, not money.
        if item.unit != "cash" or units is None or self.account.currency is None:
            return None
        return Money(self.account.currency, units)

    def _extensions(self, item: Record) -> dict[str, str | int | bool | None]:
        shown: dict[str, str | int | bool | None] = {"unit": item.unit, "has_issues": item.has_issues}
        if item.unit != "cash":
            shown["units"] = optional_whole(item.amount)
        if item.campaign:
            shown |= {"campaign_id": optional_whole(item.campaign.id), "campaign_name": item.campaign.name}
        return {name: value for name, value in shown.items() if value is not None}

    def problem(self, reply: Reply) -> Problem:
        """`{"error": text}`; a 401 is the bare words "Bad credentials", as text or as a JSON string."""
        try:
            failure = decode(reply, Failure)
        except Malformed:
            return Problem(message=bare_text(reply))
        return Problem(message=plain_text(failure.error or failure.message))

    def authorize(
        self, call: Call[Any], url: str, credentials: Credentials, token: Token | None, now: float
    ) -> Mapping[str, str]:
        return {"X-API-KEY": credentials.api_key.reveal()}
