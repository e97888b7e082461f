"""One declaration per route: its scope, its shapes, its problems. The route's entry and the API document read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar import route
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.api.exchange import ApiRequest
from gateway.api.problems import ApiError, answer_to
from gateway.keys import Caller

Handler = Callable[[ApiRequest], Awaitable[ASGIApp]]


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
        entry = _entry(scope, handler)
        litestar_path = path.replace("}", ":str}").replace("{path:str}", "{path:path}")
        return route(
            litestar_path,
            http_method=[method],  # type: ignore[list-item]
            opt={"endpoint": declared},
            middleware=[lambda app: entry],  # it asks nobody below, see there
            include_in_schema=False,
            status_code=200,
        )(_never_reached)

    return declare


def _entry(needed: str | None, handler: Handler) -> ASGIApp:
    """What answers a route's calls: it authorises, calls the handler, and sends the answer or the problem.

    It stands where a middleware does: the framework's own way to a handler costs more than all that the handler does,
    and its bare ASGI routes know no path parameters.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = ApiRequest(scope, receive)  # type: ignore[arg-type]  # routes of HTTP methods get no other scope
        with request.gateway.uses.one():
            try:
                if needed is not None:
                    request.caller = await authorised(request, needed)
                found = await handler(request)
            except Exception as error:
                found = answer_to(error, request.scope, getattr(request, "caller", None))
            await found(scope, receive, send)

    return answer


async def _never_reached() -> None:
    """Stands below the entry, because the framework wants a handler. Whoever came here would have passed no entry."""
    raise ApiError("internal")


def declared(handler: BaseRouteHandler) -> Endpoint:
    """A handler's declaration. Raises KeyError where there is none: such a route must not exist."""
    found: Endpoint = handler.opt["endpoint"]
    return found


async def authorised(request: ApiRequest, scope: str) -> Caller:
    """Who calls. Raises ApiError where nobody is known by this key, or he lacks the scope."""
    presented = request.header(b"authorization")
    kind, _, key = presented[0].decode("latin-1").partition(" ") if len(presented) == 1 else ("", "", "")
    caller = await request.gateway.callers.find(key.strip()) if kind.lower() == "bearer" else None
    if caller is None:
        raise ApiError("unauthenticated")
    require_scope(caller, scope)
    return caller


def require_scope(caller: Caller, scope: str) -> None:
    if scope not in caller.scopes:
        raise ApiError(
            "missing_scope", f"this call needs {scope}; {caller.name} has {', '.join(sorted(caller.scopes))}"
        )


def caller_of(request: ApiRequest) -> Caller:
    return request.caller
