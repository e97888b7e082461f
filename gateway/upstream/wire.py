"""One HTTP/1.1 connection, and the answer that comes over it. httptools parses; nothing here sends a second time."""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable
from typing import Any, Self

import httptools
import httpx

HEAD_MOST = 64 * 1024  # bytes of a reply's head, and of all else that is not its body
BUFFERED = 256 * 1024  # bytes of a body that wait for their reader before no more are taken in
AT_ONCE = 16 * 1024  # bytes of a request that the kernel takes from us at once


class Unreadable(Exception):
    """An answer that HTTP does not allow, or that we do not take."""


class Answer(httpx.AsyncByteStream):
    """One answer as it comes in: its head, then the body's bytes. The `on_` methods are the parser's."""

    def __init__(self, wire: Wire) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.ended = False  # all of it is here, read or not
        self.keeps_open = False  # the connection may be used again once it has ended
        self._wire: Wire | None = wire
        self._parser: Any = httptools.HttpResponseParser(self)
        self._headed = False
        self._framed = False  # it says itself where its body ends
        self._chunks: deque[bytes] = deque()
        self._waiting = 0  # bytes in them
        self._aside = 0  # bytes since the last one of the body
        self._head_size = 0
        self._error: httpx.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def begun(self) -> None:
        """Returns when the head is there. Raises httpx.TransportError."""
        while not self._headed:
            await self._more()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Raises httpx.TransportError."""
        while not self._chunks:
            if self.ended:
                raise StopAsyncIteration
            await self._more()
        chunk = self._chunks.popleft()
        self._waiting -= len(chunk)
        return chunk

    async def aclose(self) -> None:
        """Gives the connection back."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.release()

    async def _more(self) -> None:
        if self._error is not None:
            raise self._error
        if self._wire is None:
            raise httpx.ReadError("the answer was closed")
        self._wire.resume()
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def feed(self, data: bytes) -> None:
        """Takes what has come. What is wrong with it is told to whoever reads."""
        self._aside += len(data)
        try:
            self._parser.feed_data(data)
            if self._aside > HEAD_MOST and not self.ended:
                raise Unreadable
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, Unreadable):
            self.keeps_open = False
            self.fail(httpx.RemoteProtocolError("the answer is no HTTP that we take"))

    def lost(self, error: Exception | None) -> None:
        """The connection is gone. Without an error it was closed, which is how some answers end."""
        if error is not None or not self._headed:
            self.fail(httpx.ReadError("the connection broke off"))
        elif self._framed:
            self.fail(httpx.RemoteProtocolError("the connection was closed within the body"))
        else:
            self._end()

    def fail(self, error: httpx.TransportError) -> None:
        """An answer that has ended stays good."""
        if not self.ended and self._error is None:
            self._error = error
            self._wake()

    def on_message_begin(self) -> None:
        if self.ended:
            raise Unreadable  # a second answer, and nobody asked

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headed:
            return  # a trailer
        self._head_size += len(name) + len(value)
        if self._head_size > HEAD_MOST:
            raise Unreadable
        match name.lower():
            case b"content-length":
                self._framed = True
            case b"transfer-encoding":
                if self._framed or value.strip().lower() != b"chunked":
                    raise Unreadable
                self._framed = True
        self.headers.append((name, value.rstrip()))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 100:
            raise Unreadable
        if self.status >= 200:
            self.keeps_open = self._parser.should_keep_alive()
            self._headed = True
            self._wake()

    def on_body(self, chunk: bytes) -> None:
        self._aside = 0
        self._chunks.append(chunk)
        self._waiting += len(chunk)
        if self._waiting > BUFFERED and self._wire is not None:
            self._wire.pause()
        self._wake()

    def on_message_complete(self) -> None:
        if self._headed:
            self._end()
        else:  # an interim answer, 1xx: the real one follows
            self.headers.clear()
            self._framed = False

    def _end(self) -> None:
        self.ended = True
        self._parser = None  # it holds this answer, too
        if self._wire is not None:
            self._wire.resume()  # what TLS holds back while it is paused would be the next request's answer
        self._wake()


class Wire(asyncio.Protocol):
    """One connection. It carries one exchange at a time; `release` tells its owner that it is over."""

    def __init__(self, silence: float, released: Callable[[Wire], None]) -> None:
        """`silence`: how many seconds may pass between two reads of an answer."""
        self.idle_since = 0.0
        self._silence = silence
        self._released = released
        self._loop = asyncio.get_running_loop()
        self._poll = select.poll()
        self._answer: Answer | None = None
        self._large = False
        self._paused = False
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def closed(self) -> bool:
        closing: bool = self._transport.is_closing()
        return closing

    def ask(self, request: bytes) -> Answer:
        """Sends, once."""
        self._answer = answer = Answer(self)
        self._large = len(request) > AT_ONCE
        self._heard = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._silence, self._listen)
        self._transport.write(request)
        return answer

    def release(self) -> None:
        """The exchange is over, however it ended."""
        answer, self._answer = self._answer, None
        clean = answer is not None and answer.ended and answer.keeps_open
        # An answer may come before its request has left as a whole, and TLS does not say how much waits below it.
        if not clean or self._large:
            self.close()
        self._released(self)

    def spoiled(self) -> bool:
        """Something came though nothing was asked: the end as a rule, or an answer that the next request would take.

        The kernel is asked: a create on a connection that the other side has closed would be unclear.
        """
        return self.closed or bool(self._poll.poll(0))

    def close(self) -> None:
        self._transport.abort()

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self.closed:
            self._paused = False
            self._heard = self._loop.time()
            self._transport.resume_reading()

    def _listen(self) -> None:
        """One timer for all answers, set anew only when it runs out: most never meet it."""
        self._timer = None
        if self._answer is None or self._answer.ended:
            return
        left = self._silence if self._paused else self._heard + self._silence - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._listen)
        else:
            self._answer.fail(httpx.ReadTimeout("nothing came"))

    def connection_made(self, transport: Any) -> None:  # uvloop's transports are none of asyncio's
        self._transport = transport
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.ended:
            self.close()
        else:
            self._heard = self._loop.time()
            self._answer.feed(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._answer is not None:
            self._answer.lost(error)
