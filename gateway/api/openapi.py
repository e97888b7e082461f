"""The gateway's own OpenAPI document, built from the same declarations that the routes enforce, and its page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.static_files import create_static_files_router

from gateway import __version__
from gateway.api.endpoint import Endpoint, declared, endpoint
from gateway.api.exchange import Answer, ApiRequest
from gateway.api.problems import KINDS, MEDIA_TYPE, PREFIX, Problem

DESCRIPTION = """One payout API in front of many payout systems.

Writes need an `Idempotency-Key`; the same key and request always answer with the operation's current state and send
nothing again. A write that is not proven in time answers 202: follow `GET /v1/operations/{id}`."""

DOCUMENT_PATH = "/schema/openapi.json"
_REF = "#/components/schemas/{name}"


def build(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    """The document, from what the handlers declare."""
    endpoints = [declared(handler) for handler in handlers]
    shapes = [shape for item in endpoints for shape in _shapes(item)]
    unique = list(dict.fromkeys([*shapes, Problem]))
    schemas, components = msgspec.json.schema_components(unique, ref_template=_REF)
    table = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for item in endpoints:
        paths.setdefault(item.path, {})[item.method.lower()] = _operation(item, table, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "payout-gateway", "version": __version__, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }


def _shapes(item: Endpoint) -> list[Any]:
    answers = [
        shape for shape in item.answers.values() if isinstance(shape, type) and issubclass(shape, msgspec.Struct)
    ]
    return [shape for shape in (item.body, item.query, *answers) if shape is not None]


def _operation(item: Endpoint, table: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": item.name,
        "summary": item.summary,
        "tags": [_tag(item.path)],
        "parameters": [*_path_parameters(item), *_query_parameters(item, table, components), *_header_parameters(item)],
        "responses": _responses(item, table),
    }
    if item.body is not None:
        content = {"application/json": {"schema": table[item.body]}}
        operation["requestBody"] = {"required": not item.body_optional, "content": content}
    if item.scope is None:
        operation["security"] = []
    else:
        operation["description"] = f"Scope: `{item.scope}`."
    return operation


def _tag(path: str) -> str:
    parts = [part for part in path.split("/") if part and part != "v1"]
    return parts[0]


def _path_parameters(item: Endpoint) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", item.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(item: Endpoint, table: dict[Any, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    if item.query is None:
        return []
    name = table[item.query]["$ref"].rsplit("/", 1)[1]
    properties = components.pop(name, None) or msgspec.json.schema_components([item.query], ref_template=_REF)[1][name]
    return [
        {"name": field, "in": "query", "required": False, "schema": {k: v for k, v in schema.items() if k != "default"}}
        for field, schema in properties.get("properties", {}).items()
    ]


def _header_parameters(item: Endpoint) -> list[dict[str, Any]]:
    if not item.writes:
        return []
    key = {"type": "string", "pattern": r"^[\x21-\x7e]{1,128}$"}
    wait = "`wait=N` (seconds, at most 60) or `respond-async`"
    return [
        {"name": "Idempotency-Key", "in": "header", "required": True, "schema": key},
        {"name": "Prefer", "in": "header", "required": False, "description": wait, "schema": {"type": "string"}},
    ]


def _responses(item: Endpoint, table: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, shape in item.answers.items():
        schema = table.get(shape) or ({} if shape is Any else {"type": "string"})
        found[str(status)] = {"description": _MEANINGS.get(status, "OK"), "content": {item.media: {"schema": schema}}}
    names = set(item.problems) | {"internal"} | ({"unauthenticated", "missing_scope"} if item.scope else set())
    by_status: dict[int, list[str]] = {}
    for kind in KINDS.values():
        if kind.name in names:
            by_status.setdefault(kind.status, []).append(kind.name)
    for status, kinds in sorted(by_status.items()):
        types = ", ".join(f"`{PREFIX}{name}`" for name in kinds)
        found[str(status)] = {"description": types, "content": {MEDIA_TYPE: {"schema": table[Problem]}}}
    return found


_MEANINGS = {
    200: "Done, or the current state of what this key did",
    201: "Initiated: the provider has it",
    202: "Accepted, not proven yet: follow the operation",
}


def page(title: str) -> str:
    """Swagger UI from our own host: no CDN, no Internet."""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/schema/static/favicon-32x32.png">
<link rel="stylesheet" href="/schema/static/swagger-ui.css"></head>
<body><div id="page"></div><script src="/schema/static/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({{url: "{DOCUMENT_PATH}", dom_id: "#page", deepLinking: true}})</script>
</body></html>
"""


@endpoint("GET", "/schema", scope=None, summary="This API's documentation page", answers={200: str}, media="text/html")
async def get_page(request: ApiRequest) -> Answer:
    return Answer(page("payout-gateway").encode(), media="text/html; charset=utf-8")


@endpoint("GET", DOCUMENT_PATH, scope=None, summary="This document", answers={200: Any})
async def get_document(request: ApiRequest) -> Answer:
    return Answer(request.app.state["document"])


def static_files() -> Any:
    """The page's scripts and styles, from the package that carries them."""
    folder = files("swagger_ui").joinpath("static")
    return create_static_files_router(path="/schema/static", directories=[str(folder)], include_in_schema=False)


HANDLERS = [get_page, get_document]
