"""Every error answer: problem+json (RFC 9457) of one closed list of types."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.types import HTTPScope

from gateway.api.exchange import Answer
from gateway.api.limits import LimitShown, shown
from gateway.engine.errors import (
    ConnectionHeld,
    DecisionRefused,
    EngineError,
    NoRoute,
    PayoutNotFound,
    Recovering,
    SamePerson,
    Unavailable,
    UnknownConnection,
)
from gateway.engine.listing import CursorInvalid
from gateway.engine.reloading import ConfigRefused
from gateway.keys import Caller
from gateway.operation import Operation, Reason
from gateway.store.interface import DuplicateReference, JournalError, KeyReused, PayoutBusy, WouldContradict
from gateway.store.limits import OverLimit
from gateway.upstream import Refused, UpstreamFailed
from providers.sdk import FieldRefused, RefusalKind
from providers.sdk import NotOffered as PluginNotOffered

log = logging.getLogger("gateway.api")

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:payout-gateway:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of problem."""

    name: str
    status: int
    title: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("malformed_body", 400, "The body is not readable JSON"),
        Kind("invalid_body", 400, "The body has fields that are wrong"),
        Kind("invalid_parameter", 400, "A parameter of the URL is wrong"),
        Kind("idempotency_key_invalid", 400, "Send exactly one Idempotency-Key of 1 to 128 visible ASCII characters"),
        Kind("unauthenticated", 401, "Send a known API key, or a token of a known issuer, as Authorization: Bearer"),
        Kind("missing_scope", 403, "This caller lacks the scope for this call"),
        Kind("same_person", 403, "Another key than the maker's must decide this"),
        Kind("not_found", 404, "There is nothing here"),
        Kind("unknown_connection", 404, "There is no such connection"),
        Kind("payout_not_found", 404, "The provider does not know this payout"),
        Kind("method_not_allowed", 405, "This path has no such method"),
        Kind("use_unified_call", 405, "Writes go through the unified API, so that they are journaled"),
        Kind("payout_busy", 409, "This payout has an open write"),
        Kind("duplicate_reference", 409, "A payout with this reference was asked for already"),
        Kind("contradicts_record", 409, "The journal records this payout otherwise"),
        Kind("conflict", 409, "The provider refused this change from the payout's present state"),
        Kind("decision_refused", 409, "The operation's state does not allow this"),
        Kind("body_too_large", 413, "The body is too large"),
        Kind("unsupported_media_type", 415, "Send application/json"),
        Kind("config_refused", 422, "The config cannot be taken in force; the one before stays"),
        Kind("field_refused", 422, "The provider cannot carry a field of this call"),
        Kind("idempotency_key_reused", 422, "This Idempotency-Key belongs to another request"),
        Kind("not_offered", 422, "This connection cannot answer this call"),
        Kind("no_route", 422, "No route takes this call"),
        Kind("over_limit", 422, "A limit never allows this payout; nothing was recorded"),
        Kind("refused_by_provider", 422, "The provider refused the call"),
        Kind("limit_reached", 429, "A limit does not allow this now; nothing was recorded"),
        Kind("internal", 500, "The gateway failed"),
        Kind("provider_failed", 502, "The provider did not answer as documented"),
        Kind("connection_held", 503, "The connection takes no such write now; nothing was recorded"),
        Kind("recovering", 503, "The journal is a restored backup; no sends until it is reconciled"),
        Kind("journal_unavailable", 503, "The journal is unavailable; this call sent nothing"),
    )
}


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong: `pointer` is a JSON pointer into the body, or the name of a parameter."""

    pointer: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error answer. `detail` says what to do; `operation` is the one that stands in the way, or was refused."""

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[Fault] = []
    operation: Any = None
    limit: LimitShown | None = None


class ApiError(Exception):
    """A problem that the API itself finds."""

    def __init__(
        self,
        kind: str,
        detail: str | None = None,
        errors: list[Fault] | None = None,
        operation: Any = None,
        headers: dict[str, str] | None = None,
        limit: LimitShown | None = None,
    ) -> None:
        super().__init__(detail or kind)
        self.kind = KINDS[kind]
        self.detail = detail
        self.errors = errors or []
        self.operation = operation
        self.headers = headers or {}
        self.limit = limit

    def problem(self) -> Problem:
        return Problem(
            type=PREFIX + self.kind.name,
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            errors=self.errors,
            operation=self.operation,
            limit=self.limit,
        )

    def answer(self) -> Answer:
        headers = {**self.headers, "WWW-Authenticate": "Bearer"} if self.kind.status == 401 else self.headers
        return Answer(msgspec.json.encode(self.problem()), self.kind.status, MEDIA_TYPE, headers)


# What an operation's refusal means to its caller.
REJECTIONS = {
    Reason.NOT_FOUND: "payout_not_found",
    Reason.CONFLICT: "conflict",
    Reason.INVALID: "refused_by_provider",
}


def from_error(error: Exception, tenant: str | None = None) -> ApiError:
    """The problem that an exception is to this tenant. What nobody foresaw becomes `internal`; its caller logs it."""
    match error:
        case ApiError():
            return error
        case FieldRefused():
            return ApiError("field_refused", errors=[Fault(error.pointer, error.message)])
        case PluginNotOffered():
            return ApiError("not_offered", f"the provider does not offer {error.capability} as it is configured")
        case ConfigRefused():
            return ApiError("config_refused", errors=[Fault(path, message) for path, message in error.faults])
        case EngineError():
            return _engine(error)
        case JournalError():
            return _journal(error, tenant)
        case UpstreamFailed():
            return _upstream(error)
        case _:
            return ApiError("internal", "nothing is known of the cause; look into the gateway's log")


def _engine(error: EngineError) -> ApiError:
    match error:
        case PayoutNotFound():
            return ApiError("payout_not_found")
        case UnknownConnection():
            return ApiError("unknown_connection", str(error))
        case NoRoute():
            return ApiError("no_route", str(error))
        case CursorInvalid():
            return ApiError("invalid_parameter", errors=[Fault("cursor", str(error))])
        case ConnectionHeld():
            return ApiError("connection_held", str(error), headers={"Retry-After": "30"})
        case DecisionRefused():
            return ApiError("decision_refused", str(error))
        case SamePerson():
            return ApiError("same_person", str(error))
        case Recovering():
            return ApiError("recovering", str(error))
        case Unavailable():
            return ApiError("journal_unavailable", str(error), headers={"Retry-After": "1"})
        case _:
            return ApiError("not_offered", str(error))


def _journal(error: JournalError, tenant: str | None) -> ApiError:
    match error:
        case KeyReused():
            return ApiError("idempotency_key_reused", f"it was first used for operation {error.operation}")
        case PayoutBusy():
            return ApiError("payout_busy", f"{_whose(error.operation, tenant)} is {error.operation.state}")
        case DuplicateReference():
            return ApiError("duplicate_reference", f"operation {error.operation.id} has it")
        case OverLimit():
            return _over_limit(error)
        case WouldContradict():
            return ApiError("contradicts_record", _contradiction(error.operation, tenant))
        case _:
            detail = "this call sent nothing; call again with the same Idempotency-Key"
            return ApiError("journal_unavailable", detail, headers={"Retry-After": "1"})


def _over_limit(error: OverLimit) -> ApiError:
    kind = "over_limit" if error.frees_in is None else "limit_reached"
    headers = {} if error.frees_in is None else {"Retry-After": str(error.frees_in)}
    return ApiError(kind, str(error), headers=headers, limit=shown(error))


def _contradiction(recorded: Operation, tenant: str | None) -> str:
    whose = _whose(recorded, tenant)
    return f"{whose} already did {recorded.action}; only reopen leads back, and a reference stays"


def _whose(operation: Operation, tenant: str | None) -> str:
    """Payouts may be shared between tenants; operations are not, their ids neither."""
    return f"operation {operation.id}" if operation.tenant == tenant else "an operation of another tenant"


def _upstream(error: UpstreamFailed) -> ApiError:
    outcome = error.outcome
    if not isinstance(outcome, Refused):
        return ApiError("provider_failed", f"{error.connection}: {error} ({type(outcome).__name__.lower()})")
    refusal = outcome.refusal
    if refusal.kind is RefusalKind.NOT_FOUND:
        return ApiError("payout_not_found")
    if refusal.kind is RefusalKind.INVALID:
        return ApiError("refused_by_provider", refusal.problem.message)
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
    return ApiError(
        "provider_failed", f"{error.connection} answered {refusal.status} ({refusal.kind})", headers=headers
    )


def from_http(error: HTTPException) -> ApiError:
    """The framework's own refusals: unknown paths, wrong methods."""
    by_status = {404: "not_found", 405: "method_not_allowed"}
    kind = by_status.get(error.status_code, "invalid_parameter" if error.status_code < 500 else "internal")
    allow = (error.headers or {}).get("allow") if isinstance(error, MethodNotAllowedException) else None
    return ApiError(kind, headers={"Allow": allow} if allow else {})


def answer_to(error: Exception, scope: HTTPScope, caller: Caller | None) -> Answer:
    """The answer that an exception is to its caller. Never a stack trace."""
    problem = from_error(error, caller.tenant if caller else None)
    if problem.kind.name == "internal":
        log.error("unforeseen error in %s %s", scope["method"], scope["path"], exc_info=error)
    return problem.answer()


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The framework's exception handler, for what is found before any route."""
    found = from_http(error).answer() if isinstance(error, HTTPException) else answer_to(error, request.scope, None)
    return Response(found.body, status_code=found.status, media_type=found.media, headers=found.headers)
