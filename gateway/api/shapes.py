"""What callers get to see."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.api.problems import Problem
from gateway.engine.listing import Omitted
from gateway.operation import (
    Candidate,
    Reason,
    State,
    Step,
)
from providers.sdk import (
    Figures,
    Money,
    Payee,
    PayoutSettings,
    PayoutStatus,
    Period,
    RequestStatus,
)


class Observed(msgspec.Struct, frozen=True):
    """When and where the state was seen: `provider`, `list`, `journal`, or two of them."""

    at: str
    source: str


class PayoutAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A payout, whichever provider keeps it. Absent is what the provider does not say."""

    id: str
    connection: str
    provider: str
    provider_id: str
    status: PayoutStatus
    provider_status: str
    final: bool
    amount: Money | None = None
    payee: Payee | None = None
    reference: str | None = None
    period: Period | None = None
    created_at: str | None = None
    paid_at: str | None = None
    due_at: str | None = None
    observed: Observed
    extensions: dict[str, dict[str, str | int | bool | None]] = {}


class PayoutRequestAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An affiliate's ask to be paid."""

    id: str
    connection: str
    provider: str
    provider_id: str
    status: RequestStatus
    provider_status: str
    amount: Money | None = None
    payee: Payee | None = None
    payout_id: str | None = None
    created_at: str | None = None


class AttemptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP send. `sent` is read from the connection's own trace; null while it is under way."""

    number: int
    started_at: str
    finished_at: str | None
    sent: bool | None
    http_status: int | None
    outcome: str | None
    detail: str | None


class DecisionAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person decided. `by` is the name of the key."""

    decision: Literal["approve", "deny", "cancel", "release", "close"]
    by: str
    at: str
    verdict: Literal["executed", "not_executed"] | None = None
    note: str | None = None


class ApprovalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation must have, or must have had, before it is sent: `approvers` keys other than the maker's.

    Whoever approves sends the `fingerprint` of what is shown here. `approved_by` names the keys that did.
    """

    policy: str
    approvers: int
    approved_by: tuple[str, ...]
    fingerprint: str
    payee: Payee | None
    expires_at: str


class Next(msgspec.Struct, frozen=True):
    """What the gateway does next by itself, and when."""

    step: Step
    at: str


class RoutingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why the operation is where it is. `config`: the version of the config that decided."""

    config: str | None
    route: str | None
    rule: str
    candidates: tuple[Candidate, ...]


class OperationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a write, attempt by attempt."""

    id: str
    state: State
    action: str
    connection: str
    payout_id: str | None
    payout_request_id: str | None
    reference: str | None
    amount: Money | None
    reason: Reason | None
    detail: str | None
    attribution: str | None
    carried: tuple[str, ...]
    routing: RoutingAnswer
    attempts: list[AttemptAnswer]
    decisions: list[DecisionAnswer]
    approval: ApprovalAnswer | msgspec.UnsetType = msgspec.UNSET
    next: Next | None
    created_at: str
    updated_at: str


class WriteAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A write's answer. `payout` is null until something proven is known of it."""

    operation: OperationAnswer
    payout: PayoutAnswer | None


class PayoutList(msgspec.Struct, frozen=True):
    data: list[PayoutAnswer]
    next_cursor: str | None
    omitted: list[Omitted]


class PayoutRequestList(msgspec.Struct, frozen=True):
    data: list[PayoutRequestAnswer]
    next_cursor: str | None
    omitted: list[Omitted]


class OperationList(msgspec.Struct, frozen=True):
    data: list[OperationAnswer]
    next_cursor: str | None


class ObservationAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of evidence: when and by what the payout was seen, and how it stood then."""

    at: str
    source: str
    status: PayoutStatus
    provider_status: str
    amount: Money | None = None
    reference: str | None = None
    paid_at: str | None = None


class Recorded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One write of the caller's tenant. What the mark said is kept, whether or not the provider took it."""

    operation: str
    action: str
    state: State
    at: str
    carried: tuple[str, ...]
    reference: str | None = None
    notes: str | None = None
    reason: str | None = None


class History(msgspec.Struct, frozen=True):
    """Oldest first."""

    observations: list[ObservationAnswer]
    operations: list[Recorded]


class BulkItem(msgspec.Struct, frozen=True, kw_only=True):
    """One id's outcome. `state` is the operation's, or `refused` where none was recorded; then `error` says why."""

    id: str
    state: str
    operation: OperationAnswer | None
    payout: PayoutAnswer | None
    error: Problem | None


class BulkAnswer(msgspec.Struct, frozen=True):
    data: list[BulkItem]


class FiguresAnswer(Figures, frozen=True, kw_only=True, omit_defaults=True):
    """A connection's figures, as far as its provider counts them."""

    connection: str
    provider: str


class SettingsAnswer(PayoutSettings, frozen=True, kw_only=True):
    """A connection's payout settings."""

    connection: str
    provider: str
