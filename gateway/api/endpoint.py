"""One declaration per route: its scope, its shapes, its problems. The guard and the API document both read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar import Request, Response, route
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from gateway.api.problems import ApiError
from gateway.callers import Callers
from gateway.keys import Caller

ApiRequest = Request[Any, Any, Any]
Handler = Callable[[ApiRequest], Awaitable[Response[Any]]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a route promises. `scope` None: open to everyone (health, metrics, documentation)."""

    method: str
    path: str
    name: str
    summary: str
    scope: str | None
    answers: dict[int, Any]
    problems: tuple[str, ...]
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    body_optional: bool = False
    writes: bool = False
    media: str = "application/json"
    headers: tuple[str, ...] = field(default=())


def endpoint(
    method: str,
    path: str,
    *,
    scope: str | None,
    summary: str,
    answers: dict[int, Any],
    problems: tuple[str, ...] = (),
    query: type[msgspec.Struct] | None = None,
    body: type[msgspec.Struct] | None = None,
    body_optional: bool = False,
    writes: bool = False,
    media: str = "application/json",
) -> Callable[[Handler], HTTPRouteHandler]:
    """Declares a route. Path parameters are strings; the handler checks them itself."""

    def declare(handler: Handler) -> HTTPRouteHandler:
        declared = Endpoint(
            method, path, handler.__name__, summary, scope, answers, problems, query, body, body_optional, writes, media
        )
        litestar_path = path.replace("}", ":str}").replace("{path:str}", "{path:path}")
        return route(
            litestar_path,
            http_method=[method],  # type: ignore[list-item]
            opt={"endpoint": declared},
            include_in_schema=False,
            status_code=200,
        )(handler)

    return declare


def declared(handler: BaseRouteHandler) -> Endpoint:
    """A handler's declaration. Raises KeyError where there is none: such a route must not exist."""
    found: Endpoint = handler.opt["endpoint"]
    return found


async def authorise(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The application's guard: no declaration, no entry. Raises ApiError. (A plain function would cost a thread.)"""
    scope = declared(handler).scope
    if scope is None:
        return
    callers: Callers = connection.scope["state"]["gateway"].callers
    presented = connection.headers.getall("authorization", [])
    kind, _, key = presented[0].partition(" ") if len(presented) == 1 else ("", "", "")
    caller = await callers.find(key.strip()) if kind.lower() == "bearer" else None
    if caller is None:
        raise ApiError("unauthenticated")
    require_scope(caller, scope)
    connection.scope["state"]["caller"] = caller


def require_scope(caller: Caller, scope: str) -> None:
    if scope not in caller.scopes:
        raise ApiError(
            "missing_scope", f"this call needs {scope}; {caller.name} has {', '.join(sorted(caller.scopes))}"
        )


def caller_of(request: ApiRequest) -> Caller:
    found: Caller = request.scope["state"]["caller"]
    return found
