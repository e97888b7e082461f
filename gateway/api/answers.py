"""What callers get to see, and how the engine's records become it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from gateway.api.exchange import Answer
from gateway.api.problems import REJECTIONS, ApiError, Problem
from gateway.coordination import CircuitState
from gateway.engine.connection import Connection
from gateway.engine.intent import CreateBody, intent_of
from gateway.engine.listing import Omitted
from gateway.operation import (
    Approval,
    Attempt,
    Candidate,
    Decision,
    Observation,
    Operation,
    Reason,
    Routing,
    State,
    Step,
    instant,
)
from providers.sdk import (
    FINAL,
    Figures,
    Money,
    Payee,
    Payout,
    PayoutRequest,
    PayoutSettings,
    PayoutStatus,
    Period,
    RequestStatus,
    masked,
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


class Health(msgspec.Struct, frozen=True):
    """`held`: the provider refused our credentials; no write goes out until a read succeeds again."""

    state: str
    detail: str | None


class Circuits(msgspec.Struct, frozen=True):
    """An open circuit lets nothing pass but a probe now and then: the provider was unreachable, or failed, in a row."""

    read: CircuitState
    write: CircuitState


class Capability(msgspec.Struct, frozen=True):
    """One call that a connection offers. `effect` says what repeating it would do."""

    name: str
    effect: str


class ConnectionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`state` is the config's: a draining one takes no new payouts, a paused one no writes."""

    name: str
    provider: str
    currency: str | None
    state: str
    capabilities: list[Capability]
    statuses: dict[str, PayoutStatus]
    health: Health
    circuits: Circuits


class ConnectionList(msgspec.Struct, frozen=True):
    """`config`: the version of the config that they are of."""

    data: list[ConnectionAnswer]
    config: str


def payout_answer(
    connection: Connection, payout: Payout, at: int, source: str, references: Mapping[str, str] | None = None
) -> PayoutAnswer:
    """`references`: the provider's form of a reference to the caller's own."""
    name = connection.provider.name
    own = (references or {}).get(payout.reference or "")
    return PayoutAnswer(
        id=f"{connection.name}:{payout.id}",
        connection=connection.name,
        provider=name,
        provider_id=payout.id,
        status=payout.status,
        provider_status=payout.provider_status,
        final=payout.status in FINAL,
        amount=payout.amount,
        payee=payout.payee,
        reference=own or payout.reference,
        period=payout.period,
        created_at=payout.created_at,
        paid_at=payout.paid_at,
        due_at=payout.due_at,
        observed=Observed(instant(at), source),
        extensions={name: payout.extensions} if payout.extensions else {},
    )


def request_answer(connection: Connection, request: PayoutRequest) -> PayoutRequestAnswer:
    return PayoutRequestAnswer(
        id=f"{connection.name}:{request.id}",
        connection=connection.name,
        provider=connection.provider.name,
        provider_id=request.id,
        status=request.status,
        provider_status=request.provider_status,
        amount=request.amount,
        payee=request.payee,
        payout_id=f"{connection.name}:{request.payout_id}" if request.payout_id else None,
        created_at=request.created_at,
    )


def operation_answer(operation: Operation, attempts: Sequence[Attempt]) -> OperationAnswer:
    target = f"{operation.connection}:{operation.target}" if operation.target else None
    return OperationAnswer(
        id=operation.id,
        state=operation.state,
        action=operation.action,
        connection=operation.connection,
        payout_id=target if operation.kind == "payout" else None,
        payout_request_id=target if operation.kind == "payout_request" else None,
        reference=operation.reference,
        amount=operation.amount,
        reason=operation.reason,
        detail=operation.detail,
        attribution=operation.attribution,
        carried=operation.carried,
        routing=routing_answer(operation.routing),
        attempts=[_attempt(attempt) for attempt in attempts],
        decisions=[_decision(decision) for decision in operation.decisions],
        approval=_approval(operation, operation.approval) if operation.approval else msgspec.UNSET,
        next=Next(operation.step, instant(operation.due_at)) if operation.step and operation.due_at else None,
        created_at=instant(operation.created_at),
        updated_at=instant(operation.updated_at),
    )


def routing_answer(routing: Routing) -> RoutingAnswer:
    return RoutingAnswer(config=routing.config, route=routing.route, rule=routing.rule, candidates=routing.candidates)


def _attempt(attempt: Attempt) -> AttemptAnswer:
    return AttemptAnswer(
        number=attempt.number,
        started_at=instant(attempt.started_at),
        finished_at=instant(attempt.finished_at) if attempt.finished_at else None,
        sent=attempt.sent,
        http_status=attempt.http_status,
        outcome=attempt.outcome,
        detail=attempt.detail,
    )


def _approval(operation: Operation, approval: Approval) -> ApprovalAnswer:
    body = intent_of(operation).body
    payee = body.payee if isinstance(body, CreateBody) else None
    shown = Payee(name=payee.name, account=masked(payee.iban or payee.account_number)) if payee else None
    return ApprovalAnswer(
        policy=approval.policy,
        approvers=approval.approvers,
        approved_by=operation.approved_by,
        fingerprint=operation.fingerprint,
        payee=shown,
        expires_at=instant(approval.expires_at),
    )


def _decision(decision: Decision) -> DecisionAnswer:
    return DecisionAnswer(
        decision=decision.decision,
        by=decision.by,
        at=instant(decision.at),
        verdict=decision.verdict,
        note=decision.note,
    )


def observation_answer(seen: Observation) -> ObservationAnswer:
    payout = seen.payout
    return ObservationAnswer(
        at=instant(seen.at),
        source=seen.source,
        status=payout.status,
        provider_status=payout.provider_status,
        amount=payout.amount,
        reference=payout.reference,
        paid_at=payout.paid_at,
    )


def recorded(operation: Operation) -> Recorded:
    said = msgspec.json.decode(operation.request)
    return Recorded(
        operation=operation.id,
        action=operation.action,
        state=operation.state,
        at=instant(operation.created_at),
        carried=operation.carried,
        reference=operation.reference,
        notes=said.get("notes"),
        reason=said.get("reason"),
    )


def seen_payout(connection: Connection, operation: Operation) -> PayoutAnswer | None:
    """The payout as the operation last saw it, with the caller's own reference."""
    if operation.payout is None:
        return None
    own = {operation.provider_reference: operation.reference} if operation.provider_reference else {}
    known = {key: value for key, value in own.items() if key and value}
    return payout_answer(connection, operation.payout, operation.updated_at, "provider", known)


def rejection(operation: Operation, answer: OperationAnswer | None = None) -> ApiError:
    """The problem that a rejected operation is to its caller; it carries the operation."""
    kind = REJECTIONS.get(operation.reason or Reason.INVALID, "refused_by_provider")
    return ApiError(kind, operation.detail, operation=answer)


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(msgspec.json.encode(value), status, headers=headers)
