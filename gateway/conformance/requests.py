"""What a plugin sends: each ask is refused before anything leaves, or becomes the one request that is right.

The ask goes the way that production takes: through the API's own types to the plugin, and through the sender onto a
line without a network. What leaves is compared with what mapping and contract say, field by field.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

import httpx

from contracts.authentication import wrong_credentials
from contracts.carrying import Want
from contracts.cases import Case
from contracts.closed_world import Sent, credential_headers, departures
from contracts.comparing import differences, shown
from contracts.intents import Ask, asks
from gateway.conformance.calls import Wrong, built, declared, judged
from gateway.conformance.connecting import Connection, connections, native_ids
from gateway.conformance.door import let_in
from gateway.conformance.line import Line
from gateway.conformance.report import Failure
from gateway.conformance.running import BASE_URL, Progress, documented_successes
from gateway.conformance.subject import Subject
from gateway.upstream import Upstream
from providers.sdk import Call, Provider

SEED = 20261120
OTHER_TENANT = "test-tenant-2"


@dataclass
class Requests:
    """What became of the asks. `turned_away`: the API itself refused them; `refused`: the plugin did, rightly."""

    provider: str
    sent: int = 0
    refused: int = 0
    turned_away: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        return {"sent": self.sent, "refused": self.refused, "turned away": self.turned_away}

    @property
    def total(self) -> int:
        return sum(self.counts.values()) + len(self.failures)


def run_requests(
    subject: Subject,
    count: int,
    *,
    seed: int = SEED,
    only: int | None = None,
    stop_at_first: bool = False,
    progress: Progress | None = None,
) -> Requests:
    """Puts `count` asks to a plugin. `only`: the one with this number; `progress` hears how many are done."""
    report = Requests(subject.name)
    began = time.perf_counter()
    asyncio.run(_Asking(subject, report).all(count, seed, only, stop_at_first, progress))
    report.seconds = time.perf_counter() - began
    return report


class _Asking:
    def __init__(self, subject: Subject, report: Requests) -> None:
        self.subject = subject
        self.report = report
        self.line = Line()
        self.line.answer = self._answer
        self.answers = documented_successes(subject.document, subject.mapping)
        self.unnamed = credential_headers(subject.document)
        self.references: dict[str, str] = {}

    async def all(
        self, count: int, seed: int, only: int | None, stop_at_first: bool, progress: Progress | None
    ) -> None:
        numbers = range(count) if only is None else range(only, only + 1)
        ways = list(connections(self.subject, self.line))
        for number, ask in zip(numbers, islice(self._asks(seed), numbers.start, None), strict=False):
            connection = ways[number % len(ways)]
            await self._judge(number, ask.over(connection.terms.currency), connection)
            if progress is not None:
                progress(number + 1)
            if stop_at_first and self.report.failures:
                return

    def _asks(self, seed: int) -> Iterator[Ask]:
        offered = [capability for capability, _ in self.subject.mapping.unified()]
        home = self.subject.currency is not None
        return asks(offered, native_ids(self.subject), seed, home=home)

    async def _judge(self, number: int, ask: Ask, connection: Connection) -> None:
        try:
            await self._put(ask, connection)
        except Wrong as wrong:
            self._failed(number, ask, str(wrong))
        except Exception as error:
            self._failed(number, ask, f"{type(error).__name__} escaped: {error}")

    def _failed(self, number: int, ask: Ask, got: str) -> None:
        self.report.failures.append(
            Failure(f"requests/{ask.capability}/{number}", f"{dict(ask.words)}"[:1000], got[:1000])
        )

    async def _put(self, ask: Ask, connection: Connection) -> None:
        first, second = connection.ways
        intent = let_in(first.provider, ask)
        if intent is None:
            self.report.turned_away += 1
            return
        right = judged(connection.terms, ask)
        call = built(first.provider, intent, right)
        if call is None or not isinstance(right, Want):
            self.report.refused += 1
            return
        sent = await self._sent(first, call)
        self._compare(call, sent, right)
        self._authenticated(first, sent)
        self._name(first.provider, ask, right)
        self._rebuild(first.provider, ask, call)
        await self._repeat(second, ask, sent)
        self.report.sent += 1

    def _compare(self, call: Call[Any], sent: Sent, want: Want) -> None:
        document = self.subject.document
        faults = [f"{place}: {message}" for place, message in departures(document, sent)]
        faults += differences(want.places, shown(document, sent))
        faults += declared(call, want)
        if faults:
            raise Wrong("; ".join(faults))

    def _authenticated(self, way: Upstream, sent: Sent) -> None:
        held = {name: getattr(way.credentials, name).reveal() for name in way.credentials.__struct_fields__}
        token = way.token.value.reveal() if way.token else None
        faults = list(wrong_credentials(self.subject.mapping.raw["authentication"], held, token, sent, way.clock()))
        if faults:
            raise Wrong("; ".join(faults))

    def _name(self, provider: Provider, ask: Ask, want: Want) -> None:
        """What is looked up by its reference must share it with nothing: no other reference, no other tenant's."""
        if want.reference is None:
            return
        mine = ask.words["reference"]
        if self.references.setdefault(want.reference, mine) != mine:
            raise Wrong(f"{mine!r} and {self.references[want.reference]!r} both become {want.reference!r}")
        if want.effect == "create" and provider.reference(OTHER_TENANT, mine) == want.reference:
            raise Wrong(f"{mine!r} becomes {want.reference!r} for every tenant")

    def _rebuild(self, provider: Provider, ask: Ask, before: Call[Any]) -> None:
        """The same ask again becomes the same call."""
        again = replace(_again(provider, ask), reads=before.reads)
        if again != before:
            raise Wrong(f"the same ask again is another call: {again}, after {before}")

    async def _repeat(self, way: Upstream, ask: Ask, before: Sent) -> None:
        """The same ask again, later and by another process, leaves as the same request."""
        again = await self._sent(way, _again(way.provider, ask))
        if self._lasting(again) != self._lasting(before):
            raise Wrong(f"the same ask again is another request: {again}, after {before}")

    def _lasting(self, sent: Sent) -> Sent:
        """Without the credentials: a signature holds the time."""
        return sent._replace(headers=tuple(pair for pair in sent.headers if pair[0] not in self.unnamed))

    async def _sent(self, way: Upstream, call: Call[Any]) -> Sent:
        self.line.sent.clear()
        await way.send(call)
        document = self.subject.document
        requests = [sent_of(each) for each in self.line.sent]
        logins = [each for each in requests if (match := document.match(each.method, each.path)) and match[0].login]
        faults = [f"login: {each}" for login in logins for each in self._login_faults(login, way.credentials)]
        calls = [each for each in requests if each not in logins]
        if faults or len(calls) != 1:
            raise Wrong("; ".join(faults) or f"{len(calls)} requests left")
        return calls[0]

    def _login_faults(self, login: Sent, credentials: Any) -> Iterator[str]:
        """A login carries the credentials where the mapping says, and nothing else."""
        document, mapping = self.subject.document, self.subject.mapping
        yield from (f"{place}: {message}" for place, message in departures(document, login))
        carries = mapping.operations[mapping.operation_of("login")]["carries"]
        places = {place: getattr(credentials, name).reveal() for name, place in carries.items()}
        yield from differences(places, shown(document, login))

    def _answer(self, request: httpx.Request) -> Case:
        """What the contract documents for the operation; for no operation, any of it."""
        match = self.subject.document.match(request.method, request.url.raw_path.partition(b"?")[0].decode())
        return self.answers.get(match[0].id if match else "") or next(iter(self.answers.values()))


def _again(provider: Provider, ask: Ask) -> Call[Any]:
    intent = let_in(provider, ask)
    if intent is None:
        raise Wrong("the same ask again is turned away")
    return intent.call(provider)


def sent_of(request: httpx.Request) -> Sent:
    """What left, in the contract's terms. Raises Wrong where it went to another server."""
    if f"{request.url.scheme}://{request.url.netloc.decode()}" != BASE_URL:
        raise Wrong(f"it went to {request.url.host}")
    path, _, query = request.url.raw_path.decode().partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in request.headers.raw]
    return Sent(request.method, path, tuple(pairs), tuple(headers), request.content)
