"""The HTTP client, in one place: no environment proxies, no redirects, no retries, one pool per connection.

httpx's types over aiohttp's connections: httpcore walks its whole pool on every request and release, and at 32 calls
at once costs five times the processor time.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import aiohttp
import httpx
from yarl import URL

POOL = 256  # connections to one provider account at once
IDLE_SECONDS = 4.0  # uvicorn and Node close after 5: a create must not meet a connection that is being closed
CONNECT_SECONDS = 5.0
HEADER_MOST = 64 * 1024  # bytes of one field or line of a reply's head
# A trace's name for the moment before the first byte of a request leaves.
STARTED = "send_request_headers.started"
# aiohttp's own, which no caller asked for; the sender says what it accepts.
NOT_OURS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")

Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]


class Transport(httpx.AsyncBaseTransport):
    """One account's connections. A request's trace is told just before its first byte leaves, and only once."""

    def __init__(self, silence: float) -> None:
        """`silence`: how many seconds may pass between two reads of a reply."""
        self._silence = silence
        self._held: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError."""
        try:
            answer = await self._session().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
                data=request.content or None,
                allow_redirects=False,
                trace_request_ctx=_Sending(request.extensions.get("trace")),
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _in_httpx(error, request) from None
        return httpx.Response(
            answer.status, headers=answer.raw_headers, stream=_Body(answer, request, self._silence), request=request
        )

    async def aclose(self) -> None:
        if self._held is not None:
            await self._held.close()

    def _session(self) -> aiohttp.ClientSession:
        """Made at the first call: it belongs to the loop that runs then."""
        if self._held is None:
            self._held = aiohttp.ClientSession(
                connector=_Connector(),
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=self._silence),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=NOT_OURS,
                auto_decompress=False,
                max_line_size=HEADER_MOST,
                max_field_size=HEADER_MOST,
                trust_env=False,
                trace_configs=[_tracing()],
            )
        return self._held


class _Connector(aiohttp.TCPConnector):
    """Connections that are clean and alive as far as the kernel knows: aiohttp asks its own event loop only.

    A create on a connection that the other side has closed would be unclear, and wait for a person.
    """

    def __init__(self) -> None:
        super().__init__(limit=POOL, keepalive_timeout=IDLE_SECONDS, ssl=_ssl_context())
        self._kept: WeakSet[Any] = WeakSet()

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ASYNC109  aiohttp's own signature
        while True:
            connection = await super().connect(req, traces, timeout)
            # A new one may be readable: TLS sends its tickets before anything is asked.
            if connection.protocol not in self._kept or not _spoiled(connection):
                self._kept.add(connection.protocol)
                return connection
            connection.close()


def _spoiled(connection: Any) -> bool:
    """Something came though nothing was asked: the end as a rule, or an answer that the next request would take."""
    if connection.protocol.should_close or connection.transport is None:
        return True
    poll = select.poll()
    poll.register(connection.transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


class _Sending:
    """What one request's trace has heard."""

    __slots__ = ("started", "trace")

    def __init__(self, trace: Trace | None) -> None:
        self.trace, self.started = trace, False


async def _headers_leave(session: aiohttp.ClientSession, context: SimpleNamespace, told: object) -> None:
    """aiohttp calls this before it writes. By itself it would send a GET or PUT anew where a connection broke off."""
    sending: _Sending = context.trace_request_ctx
    if sending.started:
        raise httpx.ReadError("the connection broke off")
    sending.started = True
    if sending.trace is not None:
        await sending.trace(STARTED, {})


def _tracing() -> aiohttp.TraceConfig:
    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(_headers_leave)
    return config


class _Body(httpx.AsyncByteStream):
    """A reply's bytes, as they come."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request, silence: float) -> None:
        self._answer, self._request, self._silence = answer, request, silence

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while not self._answer.content.at_eof():
                # aiohttp's own timer ends with the head; a broken chunk would be waited for for ever.
                async with asyncio.timeout(self._silence):
                    chunk = await self._answer.content.readany()
                yield chunk
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _in_httpx(error, self._request) from None

    async def aclose(self) -> None:
        """A reply that was not read to its end takes its connection with it."""
        self._answer.close() if not self._answer.content.at_eof() else self._answer.release()


# The first that fits names the failure; whether anything was sent is the trace's to say.
_NAMES: tuple[tuple[type[BaseException], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (asyncio.TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientConnectionError, httpx.ReadError),
    (OSError, httpx.ReadError),
)


def _in_httpx(error: BaseException, request: httpx.Request) -> httpx.TransportError:
    kind = next((name for fits, name in _NAMES if isinstance(error, fits)), httpx.LocalProtocolError)
    return kind(type(error).__name__, request=request)


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for the process: building it costs about 20 ms."""
    return ssl.create_default_context()


def new_client(timeout: float = 30.0) -> httpx.AsyncClient:
    """A client of its own for one connection. The sender bounds the whole of a call; `timeout` in seconds."""
    return httpx.AsyncClient(
        transport=Transport(timeout),
        timeout=timeout,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # a provider's cookie would tie calls together
        follow_redirects=False,
        trust_env=False,
    )
