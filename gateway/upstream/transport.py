"""Connections to the providers, in one place: no environment proxies, no redirects, no retries, no cookies.

httpx's types over connections of our own. Processor time of one send of a signed create, in microseconds at 1, 32 and
256 calls at once (medians of three runs in turn, two busy cores): 172, 130 and 166; with aiohttp's connections in their
place 304, 201 and 272; with httpx's client around those 510, 374 and 471.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import deque
from functools import cache
from typing import Any, NamedTuple

import httpx

from gateway.upstream.wire import Wire

POOL = 256  # connections to one provider account at once
IDLE_SECONDS = 4.0  # uvicorn and Node close after 5: a create must not meet a connection that is being closed
CONNECT_SECONDS = 5.0
# A trace's name for the moment before the first byte of a request leaves.
STARTED = "send_request_headers.started"
# Answers to other methods are framed otherwise.
HEAD = re.compile(
    rb"(?:GET|POST|PUT|PATCH|DELETE) [\x21-\x7e]+ HTTP/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\x00\r\n]*\r\n)+\r\n"
)


class Place(NamedTuple):
    """Where connections of one pool go."""

    scheme: str
    host: str
    port: int | None


class Transport(httpx.AsyncBaseTransport):
    """One account's connections. A request's trace is told just before its first byte leaves, and only once."""

    def __init__(self, silence: float = 30.0) -> None:
        """`silence`: how many seconds may pass between two reads of a reply."""
        self.closed = False
        self._silence = silence
        self._pools: dict[Place, Pool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends once. Raises httpx.TransportError."""
        raw = _raw(request)
        wire = await self._pool(request.url).take()
        try:
            trace = request.extensions.get("trace")
            if trace is not None:
                await trace(STARTED, {})
            answer = wire.ask(raw)
            await answer.begun()
        except BaseException:
            wire.release()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=answer, request=request)

    async def aclose(self) -> None:
        self.closed = True
        for pool in self._pools.values():
            pool.close()

    def _pool(self, url: httpx.URL) -> Pool:
        place = Place(url.scheme, url.raw_host.decode("ascii"), url.port)
        if place not in self._pools:
            self._pools[place] = Pool(place, self._silence)
        return self._pools[place]


class Pool:
    """The connections to one place. Whoever comes while all are in use waits, the first first."""

    def __init__(self, place: Place, silence: float) -> None:
        self._place, self._silence = place, silence
        self._slots = asyncio.Semaphore(POOL)
        self._idle: deque[Wire] = deque()  # the one that has waited longest first
        self._closed = False
        self._sweeper: asyncio.TimerHandle | None = None

    async def take(self) -> Wire:
        """A connection that is clean and alive as far as the kernel knows. Raises httpx.TransportError."""
        if self._slots.locked():
            await self._wait()
        else:
            await self._slots.acquire()
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle:
            wire = self._idle.pop()
            if wire.idle_since > oldest and not wire.spoiled():
                return wire
            wire.close()
        try:
            return await self._open()
        except BaseException:
            self._slots.release()
            raise

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no connection came free") from None

    async def _open(self) -> Wire:
        scheme, host, port = self._place
        secure: dict[str, Any] = {"ssl": _ssl_context(), "server_hostname": host} if scheme == "https" else {}
        opening = asyncio.get_running_loop().create_connection(
            lambda: Wire(self._silence, self._released), host, port or (443 if secure else 80), **secure
        )
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, wire = await opening
        except TimeoutError:
            raise httpx.ConnectTimeout("no connection in time") from None
        except (OSError, ValueError, OverflowError) as error:  # a name or a port that cannot be is no OSError
            raise httpx.ConnectError(type(error).__name__) from None
        if wire.closed:
            raise httpx.ConnectError("closed as soon as it was open")
        return wire

    def _released(self, wire: Wire) -> None:
        self._slots.release()
        if self._closed:
            wire.close()
        if wire.closed:
            return
        loop = asyncio.get_running_loop()
        wire.idle_since = loop.time()
        self._idle.append(wire)
        if self._sweeper is None:
            self._sweeper = loop.call_later(IDLE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Closes what was idle for too long."""
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0].idle_since + IDLE_SECONDS <= loop.time():
            self._idle.popleft().close()
        next_end = self._idle[0].idle_since + IDLE_SECONDS if self._idle else None
        self._sweeper = None if next_end is None else loop.call_at(next_end, self._sweep)

    def close(self) -> None:
        """What is under way ends by itself."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._idle:
            self._idle.pop().close()


def _raw(request: httpx.Request) -> bytes:
    """The bytes of a request. Raises httpx.LocalProtocolError for what would be read as something else."""
    fields = [b"%b: %b\r\n" % field for field in request.headers.raw]
    head = b"%b %b HTTP/1.1\r\n%b\r\n" % (request.method.encode(), request.url.raw_path, b"".join(fields))
    # The count: a value could hold a line that looks like a field.
    if HEAD.fullmatch(head) is None or head.count(b"\n") != len(fields) + 2:
        raise httpx.LocalProtocolError("HTTP cannot carry such a request")
    return head + request.content


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for the process: building it costs about 20 ms."""
    return ssl.create_default_context()
