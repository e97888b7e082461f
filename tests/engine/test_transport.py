"""The connections to providers, over real sockets: what is read, what is refused, and which are used again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
import pytest

from gateway.upstream import transport as transports
from gateway.upstream.bodies import read_body
from gateway.upstream.transport import STARTED, Transport
from gateway.upstream.wire import HEAD_MOST

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\nok"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"


class Last(NamedTuple):
    """An answer after which the server hangs up."""

    text: bytes


Play = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Peer:
    """A server that gives its answers in order, one a request, and keeps silent after them."""

    answers: list[bytes | Last | Play]
    url: str = ""
    heard: list[bytes] = field(default_factory=list)
    opened: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)  # somebody hung up on it
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            while True:
                self.heard.append(await reader.readuntil(b"\r\n\r\n"))
                if self.answers and not await self._answered(self.answers.pop(0), writer):
                    return
        self.left.set()

    async def _answered(self, answer: bytes | Last | Play, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        if isinstance(answer, bytes | Last):
            writer.write(answer.text if isinstance(answer, Last) else answer)
            await writer.drain()
        else:
            await answer(writer)
        if isinstance(answer, Last):
            writer.close()
        return not isinstance(answer, Last)


@contextlib.asynccontextmanager
async def peer(*answers: bytes | Last | Play, **options: Any) -> AsyncIterator[Peer]:
    made = Peer(list(answers))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, **options)
    async with server:
        scheme, host = ("https", "localhost") if options.get("ssl") else ("http", "127.0.0.1")
        made.url = f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}/"
        yield made
        for writer in made.writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """uvloop is what production runs on."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with Transport(silence=5.0) as made:
        yield made


class Sending:
    """One request, and what its trace was told."""

    def __init__(self, url: str, **more: Any) -> None:
        self.told: list[str] = []
        self.request = httpx.Request("GET", url, extensions={"trace": self._hear}, **more)

    async def _hear(self, event: str, info: Any) -> None:
        self.told.append(event)

    @property
    def started(self) -> bool:
        assert self.told in ([], [STARTED]), "it is told once"
        return bool(self.told)

    async def over(self, transport: Transport) -> tuple[int, bytes]:
        reply = await read_body(await transport.handle_async_request(self.request))
        return reply.status, reply.body


async def asked(transport: Transport, url: str) -> tuple[int, bytes]:
    return await Sending(url).over(transport)


KEPT = {
    "a length": (WHOLE, 200, b"ok"),
    "no body": (OK + b"Content-Length: 0\r\n\r\n", 200, b""),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304 that names the length of another answer": (b"HTTP/1.1 304 -\r\nContent-Length: 5\r\n\r\n", 304, b""),
    "chunks": (CHUNKED + b"\r\n", 200, b"ok"),
    "chunks with an extension and a trailer": (
        OK + b"Transfer-Encoding: Chunked\r\n\r\n1;a=b\r\no\r\n1\r\nk\r\n0\r\nX-End: 1\r\n\r\n",
        200,
        b"ok",
    ),
    "after 100": (b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE, 200, b"ok"),
    "after 103, twice": (2 * b"HTTP/1.1 103 -\r\nContent-Length: 9\r\nLink: </a>\r\n\r\n" + WHOLE, 200, b"ok"),
    "1.0 that stays": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", 302, b""),
    "an encoding": (OK + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
}


@pytest.mark.parametrize("name", KEPT)
async def test_a_clean_answer_leaves_its_connection_for_the_next(name: str, transport: Transport) -> None:
    answer, status, body = KEPT[name]
    async with peer(answer, WHOLE) as server:
        assert await asked(transport, server.url) == (status, body)
        assert await asked(transport, server.url) == (200, b"ok")
        assert (server.opened, len(server.heard)) == (1, 2)


DROPPED = {
    "it says close": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
    "1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "its end is the connection's": Last(OK + b"\r\nok"),
    "its end is the connection's, after 103": Last(b"HTTP/1.1 103 -\r\nContent-Length: 9\r\n\r\n" + OK + b"\r\nok"),
    "more than the answer": WHOLE + b"stray",
    "a second answer": WHOLE + WHOLE,
    "more than a last answer": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nokstray",
    "a body where none may be": b"HTTP/1.1 204 -\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("name", DROPPED)
async def test_after_an_odd_answer_the_next_request_takes_another_connection(name: str, transport: Transport) -> None:
    async with peer(DROPPED[name], WHOLE) as server:
        status, body = await asked(transport, server.url)
        assert (status, body) in ((200, b"ok"), (204, b""))
        assert await asked(transport, server.url) == (200, b"ok")
        assert (server.opened, len(server.heard)) == (2, 2)


LONG = b"x" * (HEAD_MOST + 1)
REFUSED: dict[str, tuple[bytes | Last, type[httpx.TransportError]]] = {
    "a length and chunks": (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", httpx.RemoteProtocolError),
    "chunks and a length": (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", httpx.RemoteProtocolError),
    "two lengths": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", httpx.RemoteProtocolError),
    "lengths in a list": (OK + b"Content-Length: 2, 3\r\n\r\nok", httpx.RemoteProtocolError),
    "a negative length": (OK + b"Content-Length: -2\r\n\r\nok", httpx.RemoteProtocolError),
    "another coding": (OK + b"Transfer-Encoding: gzip\r\n\r\nok", httpx.RemoteProtocolError),
    "two codings": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", httpx.RemoteProtocolError),
    "chunks twice": (OK + 2 * b"Transfer-Encoding: chunked\r\n" + b"\r\n", httpx.RemoteProtocolError),
    "a chunk of no size": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n", httpx.RemoteProtocolError),
    "101": (b"HTTP/1.1 101 -\r\nUpgrade: test\r\nConnection: upgrade\r\n\r\n", httpx.RemoteProtocolError),
    "no status": (b"HTTP/1.1 000 -\r\nContent-Length: 2\r\n\r\nok", httpx.RemoteProtocolError),
    "no HTTP": (b"nonsense\r\n\r\n", httpx.RemoteProtocolError),
    "a field on two lines": (OK + b"X-Test: a\r\n b\r\nContent-Length: 2\r\n\r\nok", httpx.RemoteProtocolError),
    "a field with NUL": (OK + b"X-Test: a\0b\r\nContent-Length: 2\r\n\r\nok", httpx.RemoteProtocolError),
    "a head too long": (OK + b"X-Test: " + LONG + b"\r\nContent-Length: 2\r\n\r\nok", httpx.RemoteProtocolError),
    "a head without end": (OK + b"X-Test: " + LONG, httpx.RemoteProtocolError),
    "a status line without end": (b"HTTP/1.1 200 " + LONG, httpx.RemoteProtocolError),
    "interim answers without end": (b"HTTP/1.1 100 -\r\n\r\n" * (HEAD_MOST // 18 + 1), httpx.RemoteProtocolError),
    "a trailer without end": (CHUNKED + b"X-Test: " + 5 * LONG, httpx.RemoteProtocolError),
    "a body cut": (Last(OK + b"Content-Length: 3\r\n\r\nok"), httpx.RemoteProtocolError),
    "chunks cut": (Last(CHUNKED), httpx.RemoteProtocolError),
    "a head cut": (Last(OK), httpx.ReadError),
    "no answer": (Last(b""), httpx.ReadError),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_whole_answer_is_an_error_and_nothing_is_sent_again(name: str, transport: Transport) -> None:
    answer, kind = REFUSED[name]
    async with peer(answer, WHOLE) as server:
        sending = Sending(server.url)
        with pytest.raises(kind):
            await sending.over(transport)
        assert sending.started
        assert len(server.heard) == 1
        assert await asked(transport, server.url) == (200, b"ok")
        assert server.opened == 2


@pytest.mark.parametrize("whole", [each[0] for each in KEPT.values()], ids=list(KEPT))
async def test_an_answer_may_come_byte_by_byte(whole: bytes, transport: Transport) -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        for byte in whole:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with peer(whole, trickle) as server:
        assert await asked(transport, server.url) == await asked(transport, server.url)
        assert server.opened == 1


async def test_fields_of_an_interim_answer_are_none_of_the_real_one(transport: Transport) -> None:
    async with peer(b"HTTP/1.1 103 -\r\nRetry-After: 1\r\n\r\n" + WHOLE) as server:
        response = await transport.handle_async_request(Sending(server.url).request)
        await response.aclose()
        assert response.headers.raw == [(b"Content-Length", b"2")]


async def test_a_request_on_a_kept_connection_that_breaks_is_not_sent_again(transport: Transport) -> None:
    async with peer(WHOLE, Last(b""), WHOLE) as server:
        await asked(transport, server.url)
        sending = Sending(server.url)
        with pytest.raises(httpx.ReadError):
            await sending.over(transport)
        assert sending.started
        assert (server.opened, len(server.heard)) == (1, 2)


async def test_the_trace_is_told_before_anything_leaves(transport: Transport) -> None:
    async def refuse(event: str, info: Any) -> None:
        raise RuntimeError(event)

    async with peer(WHOLE) as server:
        request = httpx.Request("GET", server.url, extensions={"trace": refuse})
        with pytest.raises(RuntimeError, match=STARTED):
            await transport.handle_async_request(request)
        await server.left.wait()
        assert server.heard == []


BAD: dict[str, dict[str, Any]] = {
    "a value with a line": {"headers": [(b"X-Test", b"a\r\nX-Other: b")]},
    "a value with LF": {"headers": [(b"X-Test", b"a\nb")]},
    "a value with NUL": {"headers": [(b"X-Test", b"a\0b")]},
    "a name with a line": {"headers": [(b"X-Test: a\r\nX-Other", b"b")]},
    "a name with a space": {"headers": [(b"X Test", b"b")]},
    "no name": {"headers": [(b"", b"b")]},
    "a method with a line": {"method": "GET / HTTP/1.1\r\nX-Test: a\r\n\r\nGET"},
    "a method whose answers are framed otherwise": {"method": "HEAD"},
}


@pytest.mark.parametrize("name", BAD)
async def test_what_would_be_read_as_something_else_is_not_sent(name: str, transport: Transport) -> None:
    async with peer() as server:
        sending = Sending(server.url, headers=BAD[name].get("headers"))
        sending.request.method = BAD[name].get("method", "GET")
        with pytest.raises(httpx.LocalProtocolError):
            await sending.over(transport)
        assert not sending.started
        assert server.opened == 0


@pytest.mark.parametrize("path", ["a\r\nX-Test: b", "a\nb", "a\0b"])
def test_a_path_with_a_line_makes_no_request(path: str) -> None:
    with pytest.raises(httpx.InvalidURL):
        httpx.Request("GET", f"http://127.0.0.1/{path}")


@pytest.mark.parametrize("begun", [b"", OK, OK + b"Content-Length: 2\r\n\r\no"], ids=["no head", "half a head", "body"])
async def test_a_silent_provider_is_given_up(begun: bytes) -> None:
    async with peer(begun, WHOLE) as server, Transport(silence=0.05) as transport:
        sending = Sending(server.url)
        with pytest.raises(httpx.ReadTimeout):
            await sending.over(transport)
        assert sending.started
        assert await asked(transport, server.url) == (200, b"ok")
        assert server.opened == 2


async def test_a_slow_answer_that_goes_on_is_read_to_its_end() -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(WHOLE), 4):
            writer.write(WHOLE[start : start + 4])
            await asyncio.sleep(0.06)

    async with peer(slowly) as server, Transport(silence=0.5) as transport:
        assert await asked(transport, server.url) == (200, b"ok")


async def test_a_reader_that_takes_its_time_stops_the_sender_and_loses_nothing() -> None:
    piece, pieces = b"x" * 2**16, 1024
    written = 0

    async def much(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % (len(piece) * pieces))
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
            written += 1

    async with peer(much, WHOLE) as server, Transport(silence=0.05) as transport:
        response = await transport.handle_async_request(Sending(server.url).request)
        before = -1
        while written != before:
            before = written
            await asyncio.sleep(0.1)  # longer than the silence: a reader's pause is not the provider's
        assert written < pieces
        stream: Any = response.stream
        assert sum([len(chunk) async for chunk in stream]) == len(piece) * pieces
        await response.aclose()
        assert await asked(transport, server.url) == (200, b"ok")
        assert server.opened == 1


async def test_a_body_that_nobody_read_takes_its_connection_with_it(transport: Transport) -> None:
    async with peer(OK + b"Content-Length: 9\r\n\r\nok", WHOLE) as server:
        response = await transport.handle_async_request(Sending(server.url).request)
        await response.aclose()
        assert await asked(transport, server.url) == (200, b"ok")
        assert server.opened == 2


async def test_an_answer_before_the_request_has_left_takes_its_connection_with_it(transport: Transport) -> None:
    async with peer(WHOLE, WHOLE) as server:
        large = Sending(server.url, content=b"x" * 2**24)
        assert await large.over(transport) == (200, b"ok")
        assert await asked(transport, server.url) == (200, b"ok")
        assert server.opened == 2


async def test_whoever_comes_to_a_full_pool_waits_and_the_first_is_first(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "POOL", 1)
    order: list[int] = []

    async def ask(number: int) -> None:
        await asked(transport, server.url)
        order.append(number)

    async with peer(*[WHOLE] * 5) as server:
        tasks = [asyncio.create_task(ask(number)) for number in range(5)]
        await asyncio.sleep(0)
        tasks[2].cancel()  # while it waits
        await asyncio.wait(tasks)
        assert order == [0, 1, 3, 4]
        assert (server.opened, len(server.heard)) == (1, 4)


async def test_a_pool_in_which_nothing_comes_free_is_left_unsent(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "POOL", 1)
    async with peer(b"", WHOLE) as server:
        stuck = asyncio.create_task(asked(transport, server.url))
        while not server.heard:
            await asyncio.sleep(0)
        monkeypatch.setattr(transports, "CONNECT_SECONDS", 0.02)
        waiting = Sending(server.url)
        with pytest.raises(httpx.PoolTimeout):
            await waiting.over(transport)
        assert not waiting.started
        stuck.cancel()
        await asyncio.wait([stuck])
        monkeypatch.undo()
        assert await asked(transport, server.url) == (200, b"ok")


async def test_a_handshake_without_an_answer_is_left_unsent(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "POOL", 1)
    monkeypatch.setattr(transports, "CONNECT_SECONDS", 0.05)
    async with peer() as server:
        for _ in range(2):  # the second finds the place that the first has given back
            sending = Sending(server.url.replace("http:", "https:"))
            with pytest.raises(httpx.ConnectTimeout):
                await sending.over(transport)
            assert not sending.started


@pytest.mark.parametrize("when", ["waiting", "connecting", "asking", "reading"])
async def test_whoever_is_cancelled_gives_the_place_back_and_knows_what_left(
    when: str, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "POOL", 1)
    async with peer(OK + b"Content-Length: 9\r\n\r\nok" if when == "reading" else b"", WHOLE) as server:
        sending = Sending(server.url.replace("http:", "https:") if when == "connecting" else server.url)
        if when == "waiting":
            first = asyncio.create_task(asked(transport, server.url))
            await _until(lambda: bool(server.heard))
        task = asyncio.create_task(sending.over(transport))
        await _until(lambda: bool(server.heard) if when in ("asking", "reading") else bool(server.opened))
        await _cancelled(task)
        assert sending.started is (when in ("asking", "reading"))
        if when == "waiting":
            await _cancelled(first)
        server.answers = [WHOLE]
        assert await asked(transport, server.url) == (200, b"ok")
        assert server.opened == 2


async def _until(happened: Callable[[], bool]) -> None:
    while not happened():
        await asyncio.sleep(0)


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_idle_connection_is_closed_in_time(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "IDLE_SECONDS", 0.05)
    async with peer(WHOLE, WHOLE, WHOLE) as server:
        await asked(transport, server.url)
        await asked(transport, server.url)
        assert server.opened == 1
        async with asyncio.timeout(5):
            await server.left.wait()
        await asked(transport, server.url)
        assert server.opened == 2


async def test_a_connection_that_was_idle_for_too_long_is_not_used_though_the_clean_up_is_late(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with peer(WHOLE, WHOLE) as server:
        await asked(transport, server.url)
        monkeypatch.setattr(transports, "IDLE_SECONDS", 0.0)
        await asked(transport, server.url)
        assert server.opened == 2


async def test_what_comes_over_an_idle_connection_ends_it(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "IDLE_SECONDS", 600.0)
    async with peer(WHOLE, WHOLE) as server:
        await asked(transport, server.url)
        server.writers[0].write(WHOLE)
        async with asyncio.timeout(5):
            await server.left.wait()
        assert await asked(transport, server.url) == (200, b"ok")
        assert server.opened == 2


async def test_a_closed_transport_lets_go_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "IDLE_SECONDS", 600.0)
    async with peer(WHOLE) as idle, peer(WHOLE) as busy:
        transport = Transport()
        await asked(transport, idle.url)
        response = await transport.handle_async_request(Sending(busy.url).request)
        await transport.aclose()
        assert transport.closed
        assert (await read_body(response)).body == b"ok", "what is under way ends by itself"
        async with asyncio.timeout(5):
            await asyncio.gather(idle.left.wait(), busy.left.wait())
