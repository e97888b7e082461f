"""One call as the server carries it: what a route is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

from litestar import Litestar
from litestar.types import HTTPReceiveMessage, HTTPScope, Receive, Scope, Send

from gateway.engine.reloading import Service
from gateway.engine.service import Gateway
from gateway.keys import Caller


class ApiRequest:
    """What a caller sends. It is answered by the gateway in force as it begins, whatever is reloaded meanwhile."""

    __slots__ = ("caller", "gateway", "receive", "scope", "service")

    caller: Caller  # not there on a route that is open to everyone

    def __init__(self, scope: HTTPScope, receive: Callable[[], Awaitable[HTTPReceiveMessage]]) -> None:
        self.scope = scope
        self.receive = receive
        self.service: Service = self.app.state["service"]
        self.gateway: Gateway = self.service.current

    @property
    def app(self) -> Litestar:
        return self.scope["litestar_app"]

    @property
    def path_params(self) -> dict[str, str]:
        return self.scope["path_params"]

    def header(self, name: bytes) -> list[bytes]:
        """Every value of a header, whose name is in lower case."""
        return [value for key, value in self.scope["headers"] if key == name]

    def query(self) -> list[tuple[str, str]]:
        """Names and values as they stand in the URL."""
        return parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)


class Answer:
    """A whole answer. Its body goes out as it stands."""

    __slots__ = ("body", "headers", "media", "status")

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        media: str | None = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body
        self.status = status
        self.media = media  # None: there is no body
        self.headers = headers or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        if self.media is not None:
            headers.append((b"content-type", self.media.encode("latin-1")))
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})
