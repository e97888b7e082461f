"""The line without a network says what the real transport says: the same exceptions, the same trace."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from contracts.cases import Case, documented
from contracts.cases.transport import FAULTS, leaves_nothing
from gateway.conformance.line import EXCEPTIONS, Line
from gateway.conformance.subject import Subject
from gateway.upstream.bodies import read_body
from gateway.upstream.transport import Transport

LEFT = "send_request_headers.started"


class Heard:
    """A trace that remembers its events."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __call__(self, event: str, info: Any) -> None:
        self.events.append(event)

    @property
    def left(self) -> bool:
        return any(event.endswith(LEFT) for event in self.events)


def broken(fault: str | None) -> Case:
    subject = Subject.installed("ledger")
    example = next(case for case in documented(subject.document, subject.mapping) if case.operation == "get_payout")
    return replace(example, fault=fault)


async def asked(transport: httpx.AsyncBaseTransport, url: str) -> tuple[Heard, Exception | None]:
    heard = Heard()
    request = httpx.Request("GET", url, extensions={"trace": heard})
    try:
        await read_body(await transport.handle_async_request(request))
    except Exception as error:
        return heard, error
    return heard, None


@pytest.mark.anyio
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_says_whether_anything_left(fault: str) -> None:
    line = Line()
    line.answer = lambda request: broken(fault)
    heard, error = await asked(line, "https://provider.example.test/v1/payouts/po_1")
    assert heard.left is not leaves_nothing(fault)
    assert len(line.sent) == (0 if leaves_nothing(fault) else 1)
    assert type(error) is type(EXCEPTIONS[fault]())


@contextlib.asynccontextmanager
async def server(answer: bytes, reset: bool) -> AsyncIterator[str]:
    """A server that reads a request, says `answer` and hangs up, by a reset if it is told to."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if reset:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with running:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}/"


HEADERS = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "answer", "reset"),
    [
        ("connection reset before the answer", b"", True),
        ("closed without an answer", b"", False),
        ("answer is no HTTP", b"nonsense\r\n\r\n", False),
        ("body cut", HEADERS + b'{"id"', False),
    ],
)
async def test_a_real_line_breaks_as_the_scripted_one_says(fault: str, answer: bytes, reset: bool) -> None:
    async with server(answer, reset) as url, Transport() as transport:
        heard, error = await asked(transport, url)
    assert type(error) is type(EXCEPTIONS[fault]())
    assert heard.left


@pytest.mark.anyio
async def test_a_real_refusal_to_connect_leaves_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with Transport() as transport:
            heard, error = await asked(transport, f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert type(error) is type(EXCEPTIONS["connection refused"]())
    assert not heard.left
