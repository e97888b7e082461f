"""What a contract says of each call, read from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]
Resolve = Callable[[Any], Any]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One documented parameter. `explode` is true where an array repeats the name."""

    name: str
    where: str
    required: bool
    schema: Schema
    explode: bool
    examples: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What one media type of a body holds."""

    schema: Schema | None
    examples: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """One documented answer. No content at all means that nothing is said of its body."""

    status: str
    content: Mapping[str, Content]
    headers: Mapping[str, Schema]


@dataclass(frozen=True)
class Operation:
    """One documented call."""

    id: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body_required: bool
    body: Mapping[str, Content]
    responses: Mapping[str, Response]
    secured: bool
    login: bool = False
    file: bool = False
    scope: str | None = None
    source: Any = None
    raw: Schema = field(default_factory=dict, repr=False)

    @property
    def is_read(self) -> bool:
        return self.method in ("GET", "HEAD")

    def response(self, status: int) -> Response | None:
        """What is documented for a status: by itself, by its class ("4XX"), or by default."""
        names = (str(status), f"{status // 100}XX", "default")
        return next((self.responses[name] for name in names if name in self.responses), None)

    def documents(self, status: int) -> bool:
        return self.response(status) is not None


def operations(raw: Schema, resolve: Resolve) -> Iterator[Operation]:
    """All operations of a document; `resolve` follows a `$ref`."""
    for path, item in raw.get("paths", {}).items():
        for method in _METHODS:
            if method in item:
                secured = bool(item[method].get("security", raw.get("security", ())))
                shared = item.get("parameters", ())
                yield _operation(path, method, item[method], shared=shared, secured=secured, resolve=resolve)


def _operation(
    path: str, method: str, raw: Schema, *, shared: Iterable[Any], secured: bool, resolve: Resolve
) -> Operation:
    body = resolve(raw.get("requestBody", {}))
    return Operation(
        id=raw["operationId"],
        method=method.upper(),
        path=path,
        parameters=tuple(_parameter(resolve(each)) for each in (*shared, *raw.get("parameters", ()))),
        body_required=bool(body.get("required", False)),
        body=_content(body),
        responses={str(key): _response(key, each, resolve) for key, each in raw["responses"].items()},
        secured=secured,
        login=bool(raw.get("x-login", False)),
        file=bool(raw.get("x-file", False)),
        scope=raw.get("x-scope"),
        source=raw.get("x-source"),
        raw=raw,
    )


def _parameter(raw: Schema) -> Parameter:
    style = raw.get("style", "form" if raw["in"] in ("query", "cookie") else "simple")
    return Parameter(
        name=raw["name"],
        where=raw["in"],
        required=bool(raw.get("required", False)),
        schema=raw.get("schema", {}),
        explode=bool(raw.get("explode", style == "form")),
        examples=tuple(_examples(raw).values()),
    )


def _response(status: object, node: Any, resolve: Resolve) -> Response:
    raw = resolve(node)
    headers = {name: resolve(header).get("schema", {}) for name, header in raw.get("headers", {}).items()}
    return Response(str(status), _content(raw), headers)


def _content(raw: Schema) -> dict[str, Content]:
    content = raw.get("content", {})
    return {media: Content(each.get("schema"), _examples(each)) for media, each in content.items()}


def _examples(raw: Mapping[str, Any]) -> dict[str, Any]:
    if "example" in raw:
        return {"example": raw["example"]}
    return {name: each["value"] for name, each in raw.get("examples", {}).items() if "value" in each}
