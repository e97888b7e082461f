"""Bodies of answers: bounded, and in no encoding that was not asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from providers.sdk import Malformed, Reply

REPLY_LIMIT = 1024 * 1024  # bytes of one decoded reply; files are streamed and have a limit of their own
FILE_LIMIT = 50 * 1024 * 1024


def is_file(response: httpx.Response, media: str) -> bool:
    """Of the type that we asked for, and in no encoding: we pass it on under that type.

    It says itself where it ends: of a table that ends with its connection nobody knows whether it is whole.
    """
    framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    plain = response.headers.get("content-encoding", "identity").lower() == "identity"
    named: str = response.headers.get("content-type", "")
    return framed and plain and named.partition(";")[0].strip().lower() == media


async def read_body(response: httpx.Response) -> Reply:
    """The whole body, bounded and undecoded; then the reply is closed.

    Raises httpx.TransportError, and Malformed: we asked for identity, so no encoding is due.
    """
    body = bytearray()
    stream: httpx.AsyncByteStream = response.stream  # type: ignore[assignment]  # ours are all asynchronous
    try:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Malformed("a reply came in an encoding that was not asked for")
        async for chunk in stream:
            body += chunk
            if len(body) > REPLY_LIMIT:
                raise Malformed("a reply is larger than any documented one")
    finally:
        await stream.aclose()
    return Reply(response.status_code, response.headers, bytes(body))


async def chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    sent = 0
    try:
        async for chunk in response.aiter_raw():
            sent += len(chunk)
            if sent > FILE_LIMIT:
                raise Malformed("a file is larger than we pass on")
            yield chunk
    finally:
        await response.aclose()
