"""The ASGI application: routes, problems, and the gateway's life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

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
from gateway.api.endpoint import declared, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.problems import handle
from gateway.config import Config
from gateway.engine.reloading import opened
from gateway.siblings import Worker

MODULES = (payouts, bulk, files, requests, settings, operations, connections, routes, native, admin, health, openapi)
HANDLERS: list[HTTPRouteHandler] = [handler for module in MODULES for handler in module.HANDLERS]


def _options() -> list[HTTPRouteHandler]:
    """Which methods a path has. The framework's own answer is none of ours, and names the first method only."""
    methods: dict[str, list[str]] = {}
    for item in map(declared, HANDLERS):
        methods.setdefault(item.path, ["OPTIONS"]).append(item.method)
    return [_allowing(path, ", ".join(sorted(allowed))) for path, allowed in methods.items()]


def _allowing(path: str, methods: str) -> HTTPRouteHandler:
    answer = Answer(b"", 204, None, {"Allow": methods})

    async def options(request: ApiRequest) -> Answer:
        return answer

    return endpoint("OPTIONS", path, scope=None, summary="The methods of this path", answers={204: None})(options)


def document() -> dict[str, Any]:
    """The gateway's OpenAPI document."""
    return openapi.build(HANDLERS)


def create_app(config: Config, source: Path | None = None, worker: Worker | None = None) -> Litestar:
    """The application over one config. The journal and the connections open when it starts.

    `source`: the file that a reload reads. `worker`: which one it is, where several share the port.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with opened(config, source) as service:
            app.state["service"] = service
            yield

    return Litestar(
        route_handlers=[*_options(), *HANDLERS, openapi.static_files()],
        lifespan=[lifespan],
        exception_handlers={Exception: handle},
        openapi_config=None,
        logging_config=None,
        state=State({"document": msgspec.json.encode(document()), "worker": worker}),
    )
