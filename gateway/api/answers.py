"""How the engine's records become what callers get to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.api.exchange import Answer
from gateway.api.problems import REJECTIONS, ApiError
from gateway.api.shapes import (
    ApprovalAnswer,
    AttemptAnswer,
    DecisionAnswer,
    Next,
    ObservationAnswer,
    Observed,
    OperationAnswer,
    PayoutAnswer,
    PayoutRequestAnswer,
    Recorded,
    RoutingAnswer,
)
from gateway.engine.connection import Connection
from gateway.engine.intent import CreateBody, intent_of
from gateway.operation import (
    Approval,
    Attempt,
    Decision,
    Observation,
    Operation,
    Reason,
    Routing,
    instant,
)
from providers.sdk import (
    FINAL,
    Payee,
    Payout,
    PayoutRequest,
    masked,
)


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
