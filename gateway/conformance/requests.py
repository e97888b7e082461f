"""What a plugin sends: each ask is refused before anything leaves, or becomes the one request that is right.

The ask goes the way that production takes: through the API's own types to the plugin, and through the sender onto a
line without a network. What leaves is compared with what mapping and contract say, field by field.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any
from urllib.parse import parse_qsl

import httpx

from contracts.carrying import Terms, Unfit, Unoffered, Want, wanted
from contracts.cases import Case, Intent
from contracts.closed_world import Sent, credential_headers, departures
from contracts.comparing import differences, shown
from contracts.intents import Ask, asks
from gateway.conformance.connecting import Connection, connections, native_ids
from gateway.conformance.door import let_in
from gateway.conformance.line import Line, new_client
from gateway.conformance.report import Failure
from gateway.conformance.running import BASE_URL, Progress, documented_successes
from gateway.conformance.subject import Subject
from gateway.upstream import Upstream
from providers.sdk import Call, FieldRefused, NotOffered, Provider

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


class Wrong(Exception):
    """What a plugin did with an ask is not what the documents say."""


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
        async with new_client(self.line) as client:
            ways = cycle(list(connections(self.subject, client)))
            for number, (ask, connection) in enumerate(zip(self._asks(count, seed), ways, strict=False)):
                if only is None or only == number:
                    await self._judge(number, ask.over(connection.terms.currency), connection)
                if progress is not None:
                    progress(number + 1)
                if stop_at_first and self.report.failures:
                    return

    def _asks(self, count: int, seed: int) -> Iterator[Ask]:
        offered = [capability for capability, _ in self.subject.mapping.unified()]
        home = self.subject.currency is not None
        return islice(asks(offered, native_ids(self.subject), seed, home=home), count)

    async def _judge(self, number: int, ask: Ask, connection: Connection) -> None:
        try:
            await self._put(number, ask, connection)
        except Wrong as wrong:
            self._failed(number, ask, str(wrong))
        except Exception as error:
            self._failed(number, ask, f"{type(error).__name__} escaped: {error}")

    def _failed(self, number: int, ask: Ask, got: str) -> None:
        self.report.failures.append(
            Failure(f"requests/{ask.capability}/{number}", f"{dict(ask.words)}"[:1000], got[:1000])
        )

    async def _put(self, number: int, ask: Ask, connection: Connection) -> None:
        first, second = connection.ways
        intent = let_in(first.provider, ask)
        if intent is None:
            self.report.turned_away += 1
            return
        right = _right(connection.terms, ask)
        call = _built(first.provider, intent, right)
        if call is None or not isinstance(right, Want):
            self.report.refused += 1
            return
        sent = await self._sent(first, call)
        self._compare(call, sent, right)
        self._name(first.provider, ask, right)
        await self._repeat(first if number % 2 else second, ask, sent)
        self.report.sent += 1

    def _compare(self, call: Call[Any], sent: Sent, want: Want) -> None:
        document = self.subject.document
        faults = [f"{place}: {message}" for place, message in departures(document, sent)]
        faults += differences(want.places, shown(document, sent))
        faults += _declared(call, want)
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

    async def _repeat(self, way: Upstream, ask: Ask, before: Sent) -> None:
        """The same ask again, later, by the same process or by another, leaves as the same request."""
        intent = let_in(way.provider, ask)
        if intent is None:
            raise Wrong("the same ask again is turned away")
        again = await self._sent(way, intent.call(way.provider))
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


def _right(terms: Terms, ask: Ask) -> Want | Unfit | Unoffered:
    try:
        return wanted(terms, ask)
    except (Unfit, Unoffered) as refusal:
        return refusal


def _built(provider: Provider, intent: Intent, right: Want | Unfit | Unoffered) -> Call[Any] | None:
    """The call; None where it was refused, and rightly. Raises Wrong."""
    try:
        call = intent.call(provider)
    except FieldRefused as refused:
        if not isinstance(right, Unfit) or not any(_names(refused.pointer, each) for each in right.fields):
            raise Wrong(f"refused at {refused.pointer}; {_said(right)}") from None
        return None
    except NotOffered as refused:
        if not isinstance(right, Unoffered):
            raise Wrong(f"{refused.capability} is not offered; {_said(right)}") from None
        return None
    if not isinstance(right, Want):
        raise Wrong(f"it becomes a request; {_said(right)}")
    return call


def _said(right: Want | Unfit | Unoffered) -> str:
    match right:
        case Want():
            return f"{right.operation.id} carries it: {right.places}"
        case Unfit():
            return f"no documented request can carry {right}"
        case _:
            return "the documents offer no such call"


def _names(pointer: str, field: str) -> bool:
    return not field or (pointer + "/").startswith(field + "/") or (field + "/").startswith(pointer + "/")


def _declared(call: Call[Any], want: Want) -> Iterator[str]:
    """What the call says of itself, and must be true of the request."""
    if call.operation != want.operation.id:
        yield f"it calls itself {call.operation}, and is {want.operation.id}"
    if call.effect != want.effect:
        yield f"its effect is declared {call.effect}, and is {want.effect}"
    if call.success != want.success:
        yield f"it takes {sorted(call.success)} for a success; documented: {sorted(want.success)}"
    if set(call.carried) != want.carried:
        yield f"it says that it carries {sorted(call.carried)}, and carries {sorted(want.carried)}"
    if call.effect != "read" and call.reference != want.reference:
        yield f"its reference is {call.reference!r}, and {want.reference!r} was sent"


def sent_of(request: httpx.Request) -> Sent:
    """What left, in the contract's terms. Raises Wrong where it went to another server."""
    if not str(request.url).startswith(BASE_URL):
        raise Wrong(f"it went to {request.url.host}")
    path, _, query = request.url.raw_path.decode().partition("?")
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in request.headers.raw]
    return Sent(request.method, path, tuple(pairs), tuple(headers), request.content)
