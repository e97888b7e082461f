"""The load generator: a closed loop of connections, each with one payout under way."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.bench.stub import length_of

NUMBERS = itertools.count(time.time_ns() // 1000)  # a repeated run must not meet its own keys
BODY = (
    b'{"reference":"bench-%d","amount":{"currency":"GBP","minor_units":1023},"payee":{"name":"Test Supplier",'
    b'"account_number":"31926819","sort_code":"601613"},"description":"Invoice 2026 007"}'
)
HEAD = (
    b"POST /v1/payouts HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\nIdempotency-Key: bench-%d\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)


class Sample(msgspec.Struct):
    """One run: answers a second, milliseconds of the median and of the slowest hundredth, wrong answers."""

    rps: float
    p50: float
    p99: float
    answers: int
    wrong: int


@dataclass
class Load:
    """What a run counts."""

    key: bytes
    until: float
    milliseconds: list[float] = field(default_factory=list)
    wrong: int = 0
    shown: bytes = b""


class Caller(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, load: Load, done: asyncio.Future[None]) -> None:
        self.load, self.done = load, done
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:  # uvloop's transports are none of asyncio's
        self.transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < length_of(head):
            return
        now = time.perf_counter()
        self.load.milliseconds.append((now - self.began) * 1000)
        if not head.startswith(b"HTTP/1.1 201"):
            self.load.wrong += 1
            self.load.shown = self.buffer
        self.buffer = b""
        if now < self.load.until:
            self._ask()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _ask(self) -> None:
        number = next(NUMBERS)
        body = BODY % number
        self.began = time.perf_counter()
        self.transport.write(HEAD % (self.load.key, number, len(body)) + body)


async def loaded(port: int, key: str, concurrency: int, seconds: float) -> tuple[Sample, bytes]:
    """One run, and one of its wrong answers if there were any."""
    began = time.perf_counter()
    load = Load(key.encode(), began + seconds)
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[Any]] = [loop.create_future() for _ in range(concurrency)]
    for done in ends:
        await loop.create_connection(lambda done=done: Caller(load, done), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    spent = time.perf_counter() - began
    milliseconds = sorted(load.milliseconds)
    sample = Sample(
        rps=len(milliseconds) / spent,
        p50=statistics.median(milliseconds),
        p99=milliseconds[len(milliseconds) * 99 // 100],
        answers=len(milliseconds),
        wrong=load.wrong,
    )
    return sample, load.shown
