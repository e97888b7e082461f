"""Those who call the gateways of a battery: what they want done, how they go about it, what they were told."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from gateway.operation import State
from tests.conftest import TEST_KEY


class Job(msgspec.Struct, frozen=True):
    """One write that a caller wants done, whatever it takes."""

    key: str
    connection: str
    path: str
    body: dict[str, Any]


@dataclass
class Answers:
    """What callers were told: the operations of each key, and every state."""

    operations: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    told: set[tuple[str, State]] = field(default_factory=set)
    served: Counter[str] = field(default_factory=Counter)  # answers by the gateway's URL
    strange: list[str] = field(default_factory=list)  # answers that no caller should get

    def violations(self) -> Iterator[str]:
        yield from self.strange
        for key, operations in self.operations.items():
            if len(operations) > 1:
                yield f"one_operation: {key} named {', '.join(sorted(operations))}"


@dataclass
class Client:
    """A sensible caller: after an error it sends the same again, under the same key, to whichever gateway is there."""

    answers: Answers
    calls: httpx.AsyncClient
    gateways: Callable[[], Awaitable[str]]  # the URL of one that seems to be there

    async def write(self, job: Job) -> State:
        """Sends until an answer names the operation, and returns its state."""
        while True:
            url = await self.gateways()
            try:
                response = await self.calls.post(url + job.path, json=job.body, headers={"Idempotency-Key": job.key})
            except httpx.TransportError:
                await asyncio.sleep(0.02)  # a polite caller; the next URL is waited for
                continue
            operation = response.json().get("operation")
            if operation is not None:
                state = State(operation["state"])
                self.answers.served[url] += 1
                self.answers.operations[job.key].add(operation["id"])
                self.answers.told.add((operation["id"], state))
                return state
            if response.status_code != 503:
                self.answers.strange.append(f"strange answer: {job.key}: {response.status_code} {response.text}")
                return State.REJECTED
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def calling(most: int = 200) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {TEST_KEY}"}
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
    async with httpx.AsyncClient(headers=headers, timeout=60, limits=limits, trust_env=False) as call:
        yield call
