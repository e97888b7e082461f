"""A stub of Token.io's payouts, as cheap as can be: it echoes the initiation, at once or after a delay.

It finds nothing by reference, lists ten payouts, and knows one by its id.

python -m tests.bench.stub PORT [MILLISECONDS]
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import Any

import msgspec
import uvloop

NUMBERS = itertools.count(1)


class Asked(msgspec.Struct):
    initiation: msgspec.Raw = msgspec.Raw(b"{}")  # nginx passes on what it was asked, without translating


ASKED = msgspec.json.Decoder(Asked)
PAYOUT = (
    b'{"id":"po:bench%d:stub","status":"INITIATION_PENDING","createdDateTime":"2026-11-02T10:43:02.000Z",'
    b'"updatedDateTime":"2026-11-02T10:43:02.000Z","memberId":"m:test:stub","initiation":%b}'
)
REPLY = b'{"payout":' + PAYOUT + b"}"
INITIATION = (
    b'{"refId":"TESTREF00000000001","amount":{"value":"10.23","currency":"GBP"},"description":"Invoice 2026 007",'
    b'"debtor":{"accountId":"test-settlement-account-1"},"creditor":{"name":"Test Supplier",'
    b'"accountNumber":"31926819","sortCode":"601613"}}'
)
ONE = REPLY % (0, INITIATION)
TEN = b'{"payouts":[' + b",".join(PAYOUT % (each, INITIATION) for each in range(10)) + b'],"paging":{"limit":10}}'
NONE = b'{"payouts":[],"paging":{"limit":200}}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Stub(asyncio.Protocol):
    """One connection: requests come one after the other."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:  # uvloop's transports are none of asyncio's
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (whole := self._request()) is not None:
            answer = answered(whole)
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self.transport.write, answer)
            else:
                self.transport.write(answer)

    def _request(self) -> tuple[bytes, bytes] | None:
        """The next request's head and body, once it is there as a whole."""
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        length = length_of(head)
        if len(rest) < length:
            return None
        self.buffer = rest[length:]
        return head, rest[:length]


def length_of(head: bytes) -> int:
    _, _, after = head.lower().partition(b"\r\ncontent-length:")
    return int(after.partition(b"\r\n")[0]) if after else 0


def answered(request: tuple[bytes, bytes]) -> bytes:
    head, body = request
    if head.startswith(b"POST"):
        text = REPLY % (next(NUMBERS), bytes(ASKED.decode(body).initiation))
    elif head.startswith(b"GET /payouts/"):
        text = ONE
    else:
        text = NONE if b"refIds=" in head.partition(b"\r\n")[0] else TEN
    return HEAD % len(text) + text


async def serve(port: int, delay: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Stub(delay), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0))
