"""The ASGI application: routes, guard, problems, and the gateway's life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, Response, Router
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.api import (
    admin,
    bulk,
    connections,
    files,
    health,
    native,
    openapi,
    operations,
    payouts,
    requests,
    routes,
    settings,
)
from gateway.api.endpoint import ApiRequest, authorise, declared, endpoint
from gateway.api.problems import handle
from gateway.config import Config
from gateway.engine.reloading import opened
from gateway.engine.service import Gateway
from gateway.siblings import Worker

MODULES = (payouts, bulk, files, requests, settings, operations, connections, routes, native, admin, health, openapi)
HANDLERS: list[HTTPRouteHandler] = [handler for module in MODULES for handler in module.HANDLERS]


def _options() -> list[HTTPRouteHandler]:
    """Which methods a path has. The framework's own answer passes no guard, and names the first method only."""
    methods: dict[str, list[str]] = {}
    for item in map(declared, HANDLERS):
        methods.setdefault(item.path, ["OPTIONS"]).append(item.method)
    return [_allowing(path, ", ".join(sorted(allowed))) for path, allowed in methods.items()]


def _allowing(path: str, methods: str) -> HTTPRouteHandler:
    async def options(request: ApiRequest) -> Response[None]:
        return Response(None, status_code=204, headers={"Allow": methods})

    return endpoint("OPTIONS", path, scope=None, summary="The methods of this path", answers={204: None})(options)


def document() -> dict[str, Any]:
    """The gateway's OpenAPI document."""
    return openapi.build(HANDLERS)


def _by_one_gateway(app: ASGIApp) -> ASGIApp:
    """A call is answered by the gateway in force when it begins, to its last byte, whatever is reloaded meanwhile."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        gateway: Gateway = scope["litestar_app"].state["service"].current
        scope["state"]["gateway"] = gateway
        with gateway.uses.one():
            await app(scope, receive, send)

    return answer


def create_app(config: Config, source: Path | None = None, worker: Worker | None = None) -> Litestar:
    """The application over one config. The journal and the connections open when it starts.

    `source`: the file that a reload reads. `worker`: which one it is, where several share the port.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with opened(config, source) as service:
            app.state["service"] = service
            yield

    guarded = Router("/", route_handlers=[*_options(), *HANDLERS], guards=[authorise])
    return Litestar(
        route_handlers=[guarded, openapi.static_files()],
        lifespan=[lifespan],
        middleware=[_by_one_gateway],
        exception_handlers={Exception: handle},
        request_max_body_size=config.server.body_limit,
        openapi_config=None,
        logging_config=None,
        state=State({"document": msgspec.json.encode(document()), "worker": worker}),
    )
