"""The company's internal affiliates ledger (admin payouts).

Documents: ledger-approve, ledger-mark-paid; the reads and the platform's error codes come from its public reference.
It knows `approve` and `mark-paid` only; its list shows open payouts, its single read lacks currency and references.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.sdk import (
    Call,
    FieldRefused,
    ListQuery,
    Malformed,
    Mark,
    Money,
    Page,
    Payee,
    Payout,
    PayoutStatus,
    Period,
    Problem,
    Provider,
    RefusalKind,
    Reply,
    Secret,
    Token,
    convergent,
    decode,
    flag_text,
    path,
    plain_text,
    read,
    whole,
)

LISTED = {401: RefusalKind.CREDENTIALS, 403: RefusalKind.FORBIDDEN}
ITEM = {**LISTED, 404: RefusalKind.NOT_FOUND}
MARK_PAID = {**ITEM, 400: RefusalKind.INVALID}


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An opaque access token."""

    access_token: Secret


class Reduced(msgspec.Struct):
    """What GET /v1/payouts/{id} shows: its amount names no currency, so that we leave it out."""

    id: str
    affiliate_id: str
    period_start: str
    period_end: str
    status: str
    created_at: str


class Full(Reduced):
    """The admin payout, as far as we use its 17 fields; the cents are strings."""

    currency: str
    amount_cents: str
    gross_amount_cents: str
    reversal_amount_cents: str
    recovery_owed_cents: str
    commission_count: msgspec.Raw
    approved_at: str | None
    approved_by: str | None
    paid_at: str | None
    external_ref: str | None


class FullPage(msgspec.Struct):
    data: list[Full]


class Failure(msgspec.Struct):
    """Two envelopes are documented: `message` per endpoint, `error_description` platform-wide."""

    error: str
    message: str | None = None
    error_description: str | None = None


class Ledger(Provider):
    name = "ledger"
    ids = re.compile(r"[A-Za-z0-9_-]{1,64}")
    # Only the first three words are published; "paid" is inferred from "Payout marked paid" (2026-11-20).
    statuses = {
        "pending": PayoutStatus.PENDING,
        "approved": PayoutStatus.APPROVED,
        "recovery_owed": PayoutStatus.ON_HOLD,
        "paid": PayoutStatus.COMPLETED,
    }
    credentials = (Credentials,)
    names_currency = True
    unlisted = frozenset({PayoutStatus.COMPLETED})
    reduced_get = True

    @read("get_payout")
    def get(self, id: str) -> Call[Payout]:
        def found(reply: Reply) -> Payout:
            return self.must_echo(self._payout(decode(reply, Reduced)), id=id)

        return Call("GET", path("/v1/payouts/{id}", id=self.check_id(id)), reads=found, refuses=ITEM)

    @read("list_payouts")
    def list_payouts(self, query: ListQuery) -> Call[Page[Payout]]:
        return Call("GET", "/v1/admin/payouts", reads=self._page, refuses=LISTED)

    @convergent("approve_payout")
    def approve(self, id: str, mark: Mark) -> Call[Payout | None]:
        def approved(reply: Reply) -> Payout:
            return self.must_echo(self._full(reply), id=id, status=PayoutStatus.APPROVED)

        url = path("/v1/admin/payouts/{id}/approve", id=self.check_id(id))
        return Call("POST", url, reads=approved, refuses=ITEM)

    @convergent("mark_payout_paid")
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        def marked(reply: Reply) -> Payout:
            payout = self.must_echo(self._full(reply), id=id, reference=mark.reference)
            # The word for "paid" is published nowhere: the date and our reference are the proof.
            if not payout.paid_at:
                raise Malformed("the ledger shows no paid_at")
            return payout

        if not mark.reference:
            raise FieldRefused("/reference", "the ledger requires the external reference of the payment")
        return Call(
            "POST",
            path("/v1/admin/payouts/{id}/mark-paid", id=self.check_id(id)),
            body=msgspec.json.encode({"external_ref": mark.reference}),
            reads=marked,
            refuses=MARK_PAID,
            reference=mark.reference,
            carried=("reference",),
        )

    def _page(self, reply: Reply) -> Page[Payout]:
        return Page([self._payout(item) for item in decode(reply, FullPage).data])

    def _full(self, reply: Reply) -> Payout:
        return self._payout(decode(reply, Full))

    def _payout(self, item: Reduced) -> Payout:
        full = item if isinstance(item, Full) else None
        return Payout(
            id=self.shown_id(item.id),
            status=self.status(item.status),
            provider_status=item.status,
            amount=Money.from_minor_text(full.amount_cents, full.currency) if full else None,
            payee=Payee(id=item.affiliate_id),
            reference=full.external_ref if full else None,
            period=Period(item.period_start, item.period_end),
            created_at=item.created_at,
            paid_at=full.paid_at if full else None,
            extensions=self._extensions(full) if full else {},
        )

    def _extensions(self, full: Full) -> dict[str, str | int | bool | None]:
        return {
            "gross_amount_cents": full.gross_amount_cents,
            "reversal_amount_cents": full.reversal_amount_cents,
            "recovery_owed_cents": full.recovery_owed_cents,
            "commission_count": whole(full.commission_count),
            "approved_at": full.approved_at,
            "approved_by": full.approved_by,
        }

    def problem(self, reply: Reply) -> Problem:
        failure = decode(reply, Failure)
        return Problem(flag_text(failure.error), plain_text(failure.message or failure.error_description))

    def authorize(
        self, call: Call[Any], url: str, credentials: Credentials, token: Token | None, now: float
    ) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {credentials.access_token.reveal()}"}
