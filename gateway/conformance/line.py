"""A line without a network: it answers from a case and, as httpcore does, traces what would have left."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable

import httpx

from contracts.cases import Case
from contracts.cases.transport import leaves_nothing

Answer = Callable[[httpx.Request], Case]

EXCEPTIONS: dict[str, Callable[[], Exception]] = {
    "name not resolved": lambda: httpx.ConnectError("[Errno -2] Name or service not known"),
    "connection refused": lambda: httpx.ConnectError("[Errno 111] Connection refused"),
    "connect timeout": lambda: httpx.ConnectTimeout("timed out"),
    "TLS handshake failed": lambda: ssl.SSLError("certificate verify failed"),
    "no connection free": lambda: httpx.PoolTimeout("timed out"),
    "write timeout": lambda: httpx.WriteTimeout("timed out"),
    "connection reset while writing": lambda: httpx.WriteError("[Errno 104] Connection reset by peer"),
    "read timeout": lambda: httpx.ReadTimeout("timed out"),
    "connection reset before the answer": lambda: httpx.ReadError("[Errno 104] Connection reset by peer"),
    "closed without an answer": lambda: httpx.ReadError("the connection broke off"),
    "answer is no HTTP": lambda: httpx.RemoteProtocolError("illegal status line"),
    "connection reset after the headers": lambda: httpx.ReadError("[Errno 104] Connection reset by peer"),
    "body cut": lambda: httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    "body too slow": lambda: httpx.ReadTimeout("timed out"),
}
IN_THE_BODY = frozenset({"connection reset after the headers", "body cut", "body too slow"})


class Line(httpx.AsyncBaseTransport):
    """One transport for all: `answer` picks the case that answers a request, `sent` are the requests that left."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.sent: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.answer is not None  # noqa: S101
        case = self.answer(request)
        trace = request.extensions["trace"]
        await trace("connection.connect_tcp.started", {})
        if case.fault is not None and leaves_nothing(case.fault):
            raise EXCEPTIONS[case.fault]()
        await trace("http11.send_request_headers.started", {})
        self.sent.append(request)
        if case.fault is not None and case.fault not in IN_THE_BODY:
            raise EXCEPTIONS[case.fault]()
        headers = [("transfer-encoding", "chunked"), *case.headers]  # a case names no length; all are framed
        return httpx.Response(case.status or 200, headers=headers, stream=_Body(case))


class _Body(httpx.AsyncByteStream):
    def __init__(self, case: Case) -> None:
        self._case = case

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._case.fault is None:
            yield self._case.body
            return
        yield self._case.body[: len(self._case.body) // 2]
        raise EXCEPTIONS[self._case.fault]()
