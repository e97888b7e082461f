"""The normalised payout and what may be asked of it."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Generic, TypeVar

import msgspec

from providers.sdk.money import Money

T = TypeVar("T")

# `$` alone would let a newline at the end pass.
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]


class PayoutStatus(StrEnum):
    """The one enum. A word that a provider's table lacks is `unknown`, never an error and never `completed`."""

    PENDING = "pending"
    APPROVED = "approved"
    PROCESSING = "processing"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ON_HOLD = "on_hold"
    UNKNOWN = "unknown"


FINAL = frozenset({PayoutStatus.COMPLETED, PayoutStatus.REJECTED, PayoutStatus.FAILED, PayoutStatus.CANCELLED})

# Where each mark leads.
TARGETS = {
    "approve": PayoutStatus.APPROVED,
    "process": PayoutStatus.PROCESSING,
    "complete": PayoutStatus.COMPLETED,
    "fail": PayoutStatus.FAILED,
    "reopen": PayoutStatus.PENDING,
}


class RequestStatus(StrEnum):
    """The states of a payout request: an affiliate's ask to be paid, never a payout."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class Payee(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who is paid, as far as the provider says. `account` is masked to its last four characters."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    account: str | None = None


def masked(account: str | None) -> str | None:
    """A bank account as people may see it: the last four characters, and never more than half of it."""
    return f"…{account[len(account) - min(4, len(account) // 2) :]}" if account else None


class Period(msgspec.Struct, frozen=True, omit_defaults=True):
    """The days that a payout is for, as the provider spells them."""

    start: str | None = None
    end: str | None = None


class Payout(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One payout as a plugin reads it. `id` is the provider's own; times are as the provider spells them."""

    id: str
    status: PayoutStatus
    provider_status: str
    amount: Money | None = None  # absent where the provider names no money
    payee: Payee | None = None
    reference: str | None = None
    period: Period | None = None
    created_at: str | None = None
    paid_at: str | None = None
    due_at: str | None = None
    extensions: dict[str, str | int | bool | None] = {}


class PayoutRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One payout request as a plugin reads it. Its ids are a space of their own."""

    id: str
    status: RequestStatus
    provider_status: str
    amount: Money | None = None
    payee: Payee | None = None
    payout_id: str | None = None
    created_at: str | None = None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list in the provider's own order. `next` is the provider's cursor; None means the end."""

    items: list[T]
    next: str | None = None


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks of a list. A plugin passes on what its provider documents; the gateway filters the rest.

    `reference` is already in the provider's form. `limit` is at least 1; a plugin lowers it to the provider's bound.
    """

    statuses: frozenset[PayoutStatus] = frozenset()
    created_from: date | None = None
    created_to: date | None = None
    reference: str | None = None
    limit: int = 50
    cursor: str | None = None


class Mark(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The body of a mark: what the caller wants recorded with it."""

    reference: Text | None = None
    notes: Text | None = None
    reason: Text | None = None


class PayeeAccount(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who to pay, and where: an IBAN, or an account number with its sort code."""

    name: Text
    iban: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$(?!\n)")] | None = None
    account_number: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]{1,34}$(?!\n)")] | None = None
    sort_code: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6}$(?!\n)")] | None = None
    bic: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{8}([A-Z0-9]{3})?$(?!\n)")] | None = None
    verification_id: Text | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A payout to initiate. `reference` is in the provider's form."""

    reference: str
    amount: Money
    payee: PayeeAccount
    description: str


class Figures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Aggregated figures, as far as the provider counts them."""

    pending_amount: Money | None = None
    pending_count: int | None = None
    completed_this_month: Money | None = None
    failed_count: int | None = None
    pending_requests_count: int | None = None


class PayoutSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the provider schedules payouts. All fields, always: what a partial update means is documented nowhere."""

    frequency: str
    day: int
    minimum: Money
    allow_early_requests: bool
    auto_create: bool
