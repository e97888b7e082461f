"""The reverse proxy for reads: what a provider's contract documents, with our credentials and our redaction."""

from __future__ import annotations

from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from contracts.document import Document, Operation
from gateway.api.context import gateway_of
from gateway.api.endpoint import caller_of, endpoint, require_scope
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.files import streamed
from gateway.api.problems import ApiError
from gateway.engine.connection import Connection
from gateway.keys import SCOPES
from gateway.plugins import contract_of
from gateway.redaction import redacted
from gateway.upstream import Evidence, Unclear, UpstreamFailed
from providers.sdk import Call, Malformed, RefusalKind, Reply

# Where the unified API offers what a documented write does.
UNIFIED = {
    "create": "POST /v1/payouts",
    "approve": "POST /v1/payouts/{id}/approve",
    "process": "POST /v1/payouts/{id}/process",
    "complete": "POST /v1/payouts/{id}/complete",
    "fail": "POST /v1/payouts/{id}/fail",
    "reopen": "POST /v1/payouts/{id}/reopen",
    "bulk_process": "POST /v1/payouts/bulk/process",
    "bulk_complete": "POST /v1/payouts/bulk/complete",
    "approve_request": "POST /v1/payout-requests/{id}/approve",
    "reject_request": "POST /v1/payout-requests/{id}/reject",
    "put_settings": "PUT /v1/connections/{name}/settings",
}
# What a read may be refused with. A 401 or 403 is our own fault, never the caller's.
REFUSES = {
    400: RefusalKind.INVALID,
    401: RefusalKind.CREDENTIALS,
    403: RefusalKind.FORBIDDEN,
    404: RefusalKind.NOT_FOUND,
    422: RefusalKind.INVALID,
    429: RefusalKind.RATE_LIMITED,
}


def _native(method: str) -> HTTPRouteHandler:
    async def native(request: ApiRequest) -> ASGIApp:
        connection = gateway_of(request).router.named(caller_of(request), request.path_params["name"])
        document = contract_of(type(connection.provider))
        if document is None:
            raise ApiError("not_found", f"{connection.provider.name} has no contract, so that no read is documented")
        path = _raw_path(request)
        operation = _documented(connection, document, method, path)
        if operation.scope in SCOPES:
            require_scope(caller_of(request), operation.scope)
        query = tuple(request.query())
        return await _forward(connection, document, operation, path, query)

    native.__name__ = f"native_{method.lower()}"
    return endpoint(
        method,
        "/v1/connections/{name}/native/{path}",
        scope="payouts:read",
        summary="A provider's own documented read, natively" if method == "GET" else "Refused: names the unified call",
        answers={200: Any} if method == "GET" else {},
        problems=(
            ("not_found", "unknown_connection", "payout_not_found", "refused_by_provider", "provider_failed")
            if method == "GET"
            else ("not_found", "unknown_connection", "use_unified_call")
        ),
    )(native)


def _raw_path(request: ApiRequest) -> str:
    """The provider's path as the caller spelt it, undecoded: `..` and `%2F` must not become something else."""
    raw: bytes = request.scope["raw_path"]
    # /v1/connections/{name}/native/{path}: by place, for a connection may be called "native" too
    return "/" + raw.decode("latin-1").partition("?")[0].split("/", 5)[-1]


def _documented(connection: Connection, document: Document, method: str, path: str) -> Operation:
    located = document.locate(path)
    operations = document.templates[located[0]] if located else {}
    operation = operations.get(method)
    if located is None or operation is None or operation.login:
        raise ApiError("not_found", f"the contract of {connection.provider.name} documents no such read")
    if not operation.is_read:
        raise ApiError("use_unified_call", f"use {_unified(connection, operation)}")
    if any(connection.provider.ids.fullmatch(value) is None for value in located[1].values()):
        raise ApiError("not_found", f"not an id of {connection.provider.name}")
    return operation


def _unified(connection: Connection, operation: Operation) -> str:
    names = [name for name, (_, id) in connection.offers.items() if id == operation.id]
    return " or ".join(UNIFIED[name] for name in names if name in UNIFIED) or "the unified API"


async def _forward(
    connection: Connection, document: Document, operation: Operation, path: str, query: tuple[tuple[str, str], ...]
) -> ASGIApp:
    call: Call[Reply] = Call(
        "GET",
        path,
        reads=lambda reply: reply,
        query=query,
        refuses=REFUSES,
        operation=operation.id,
        accept=_media(operation),
    )
    if operation.file:
        return await streamed(connection, call, operation.id)
    reply = await connection.read(call)
    try:
        body, link = redacted(reply.body, document.secret_names, document.sensitive_names), _link(reply)
    except Malformed as error:
        raise UpstreamFailed(Unclear(Evidence(True, reply.status, str(error)))) from None
    return Answer(body, headers=link)


def _link(reply: Reply) -> dict[str, str]:
    """Where the next page is. Raises Malformed."""
    link = reply.headers.get("link", "")
    if not link.isascii():
        raise Malformed("a Link that is none: RFC 8288 knows only ASCII")
    return {"Link": link} if link else {}


def _media(operation: Operation) -> str:
    success = operation.responses.get("200")
    return next(iter(success.content), "application/json") if success else "application/json"


HANDLERS = [_native(method) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")]
