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
POST = (
    b"POST /v1/payouts HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\nIdempotency-Key: bench-%d\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
GET = b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n\r\n"


class Question(msgspec.Struct, frozen=True):
    """What is asked again and again: a new create each time, or `path`. `status`: of the right answer."""

    status: bytes = b"201"
    path: bytes | None = None

    def spelt(self, key: bytes) -> bytes:
        if self.path is not None:
            return GET % (self.path, key)
        number = next(NUMBERS)
        body = BODY % number
        return POST % (key, number, len(body)) + body


class Sample(msgspec.Struct):
    """One run: answers a second, milliseconds of the median and of the slowest hundredth, wrong answers.

    `busy`: the load generator's own processor time for each second of the run.
    """

    rps: float
    p50: float
    p99: float
    answers: int
    wrong: int
    busy: float


@dataclass
class Load:
    """What a run counts."""

    question: Question
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
        self.ended = False

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
        if head[9:12] != self.load.question.status:
            self.load.wrong += 1
            self.load.shown = self.buffer
        self.buffer = b""
        if now < self.load.until:
            self._ask()
        else:
            self.ended = True
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.load.wrong += not self.ended  # closed before its time
        if not self.done.done():
            self.done.set_result(None)

    def _ask(self) -> None:
        asked = self.load.question.spelt(self.load.key)
        self.began = time.perf_counter()
        self.transport.write(asked)


async def loaded(port: int, question: Question, key: str, concurrency: int, seconds: float) -> tuple[Sample, bytes]:
    """One run, and one of its wrong answers if there were any."""
    began, spent_before = time.perf_counter(), time.process_time()
    load = Load(question, key.encode(), began + seconds)
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
        busy=(time.process_time() - spent_before) / spent,
    )
    return sample, load.shown
