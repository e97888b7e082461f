"""What a caller's connection may hold beside a call, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx
import pytest

from gateway.protocol import HEAD_MOST
from tests.conftest import TEST_KEY, Stack, order

pytestmark = pytest.mark.anyio

BODY = json.dumps(order()).encode()
CREATE = (
    f"POST /v1/payouts HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {TEST_KEY}\r\nIdempotency-Key: key-1\r\n"
    f"Content-Type: application/json\r\n"
).encode()
WHOLE = CREATE + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
UNREADABLE = b"HTTP/1.1 400 "
LIVE = b"GET /health/live HTTP/1.1\r\nHost: test\r\n"


async def said(stack: Stack, sent: bytes) -> bytes:
    """All that comes back until the gateway hangs up."""
    url = httpx.URL(stack.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(sent)
    heard = b""
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):  # it hung up before it had read all
            while more := await reader.read(65_536):
                heard += more
    writer.transport.abort()
    return heard


@pytest.mark.parametrize("more", [b"nonsense\0", LIVE + b"X-Test: " + b"x" * 6 * HEAD_MOST])
async def test_what_follows_a_create_and_cannot_be_read_is_not_its_answer(stack: Stack, more: bytes) -> None:
    assert not (await said(stack, WHOLE + more)).startswith(UNREADABLE)
    answer = await stack.write("POST", "/v1/payouts", order())
    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (201, "true")
    assert len(await stack.executed("bank", "create_payout")) == 1


@pytest.mark.parametrize(
    "head",
    [b"GET /" + b"x" * 2 * HEAD_MOST, LIVE + b"X-Test: " + b"x" * 2 * HEAD_MOST, LIVE + b"X: y\r\n" * HEAD_MOST],
    ids=["path", "field", "fields"],
)
async def test_a_head_without_end_is_left(stack: Stack, head: bytes) -> None:
    assert (await said(stack, head))[: len(UNREADABLE)] in (b"", UNREADABLE)


async def test_a_call_that_cannot_be_read_is_told_so_also_after_another(stack: Stack) -> None:
    assert (await said(stack, b"nonsense\r\n\r\n")).startswith(UNREADABLE)
    broken = CREATE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    assert (await said(stack, broken)).startswith(UNREADABLE)


async def test_large_bodies_and_many_calls_are_no_long_head(stack: Stack) -> None:
    padded = BODY + b" " * 4 * HEAD_MOST
    large = CREATE + b"Content-Length: %d\r\n\r\n" % len(padded) + padded
    many = (LIVE + b"\r\n") * 2_000
    answers = await said(stack, large + many + LIVE + b"Connection: close\r\n\r\n")
    assert answers.count(b"HTTP/1.1 20") == 2_002
