"""Runs every case on the path of production: the plugin's call, the sender, the plugin's reading, the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx

from contracts.cases import CANARY, Case, documented, generate
from contracts.coverage import Coverage
from contracts.expect import FILES, expect
from gateway.conformance.judging import Observed, faults_of
from gateway.conformance.line import Line, new_client
from gateway.conformance.report import Failure, Report
from gateway.conformance.subject import Subject
from gateway.upstream import Answered, Evidence, Outcome, Upstream, UpstreamFailed
from gateway.upstream.retrying import RetryBudget
from providers.sdk import Call, Effect, ListQuery, Provider

BASE_URL = "https://provider.example.test"
NOW = 1_790_000_000.0  # seconds of the epoch; cases do not depend on the day

Progress = Callable[[int], None]


def run(
    subject: Subject,
    *,
    cases: Iterable[Case] | None = None,
    only: str | None = None,
    stop_at_first: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Runs the suite. `cases`: those instead of all; `only`: the one with this id; `progress` hears of each case."""
    chosen = generate(subject.document, subject.mapping) if cases is None else cases
    if only is not None:
        chosen = (case for case in chosen if case.id == only)
    report = Report(subject.name, Coverage(subject.document))
    began = time.perf_counter()
    asyncio.run(_Runner(subject, report).all(chosen, stop_at_first, progress or _unheard))
    report.seconds = time.perf_counter() - began
    return report


def _unheard(count: int) -> None:
    return


class NoRetries(RetryBudget):
    """A read would be asked again after a pause; here each case is asked once."""

    def spend(self) -> bool:
        return False


class _Runner:
    def __init__(self, subject: Subject, report: Report) -> None:
        self.subject = subject
        self.report = report
        self.line = Line()
        self.logged: list[str] = []
        self.made: dict[str | None, Provider] = {}
        self.documented = {case.operation: case for case in documented_successes(subject)}

    async def all(self, cases: Iterable[Case], stop_at_first: bool, progress: Progress) -> None:
        async with new_client(self.line) as self.client:
            with _heard(self.logged):
                for case in cases:
                    self._count(case, await self._failure(case))
                    progress(self.report.total)
                    if stop_at_first and self.report.failures:
                        return

    def _count(self, case: Case, failure: Failure | None) -> None:
        self.report.cases[case.family] += 1
        self.report.coverage.see(case)
        if failure is not None:
            self.report.failures.append(failure)

    async def _failure(self, case: Case) -> Failure | None:
        expected = expect(case, self.subject.mapping)
        self.logged.clear()
        try:
            observed = await self._observe(case)
            wrong = list(faults_of(case, expected, observed, self._secrets(case)))
        except Exception as error:
            wrong = [f"{type(error).__name__} escaped: {error}"[:500]]
        return Failure(case.id, str(expected), "; ".join(wrong)) if wrong else None

    async def _observe(self, case: Case) -> Observed:
        provider = self._provider(case.currency)
        self.line.sent.clear()
        self.client.cookies.clear()
        if case.capability == "login":
            return await self._log_in(provider, case)
        call = case.intent.call(provider)
        upstream = self._upstream(provider, case)
        outcome = await (opened(upstream, call) if case.capability in FILES else upstream.send(call))
        return Observed(outcome, self._sends(call), call.effect, tuple(self.logged))

    async def _log_in(self, provider: Provider, case: Case) -> Observed:
        """A login is seen by the call behind it: whether that goes out, and with which token."""
        upstream = self._upstream(provider, case)
        call = provider.list_payouts(ListQuery())
        outcome: Outcome[Any] = await upstream.send(call)
        sends = self._sends(call)
        if isinstance(outcome, Answered):
            outcome = Answered(outcome.evidence, upstream.token)
        return Observed(outcome, sends, Effect.READ, tuple(self.logged))

    def _credentials(self, case: Case) -> Any:
        return self.subject.minted if case.minted or case.capability == "login" else self.subject.direct

    def _secrets(self, case: Case) -> list[str]:
        """What must show nowhere: the credentials in use, a minted token, and what a body marks as secret."""
        held = self._credentials(case)
        return [CANARY, *(getattr(held, name).reveal() for name in held.__struct_fields__)]

    def _sends(self, call: Call[Any]) -> int:
        """How often the call's own request left; a login beside it does not count."""
        return sum(request.method == call.method and request.url.path == call.path for request in self.line.sent)

    def _provider(self, currency: str | None) -> Provider:
        if currency not in self.made:
            self.made[currency] = self.subject.made(currency)
        return self.made[currency]

    def _upstream(self, provider: Provider, case: Case) -> Upstream:
        upstream = Upstream(provider, BASE_URL, self._credentials(case), self.client, clock=lambda: NOW)
        upstream.budget = NoRetries()
        self.line.answer = lambda request: self._answer(case, request)
        return upstream

    def _answer(self, case: Case, request: httpx.Request) -> Case:
        """The case for its own operation; what is asked beside it gets what the contract documents."""
        match = self.subject.document.match(request.method, request.url.path)
        asked = match[0].id if match else case.operation
        return case if asked == case.operation else self.documented[asked]


def documented_successes(subject: Subject) -> Iterator[Case]:
    """One documented success of each operation."""
    return (case for case in documented(subject.document, subject.mapping) if case.status == 200)


async def opened(upstream: Upstream, call: Call[Any]) -> Outcome[Any]:
    """A file, read to its end."""
    try:
        stream = await upstream.open(call)
    except UpstreamFailed as failed:
        return failed.outcome
    return Answered(Evidence(True, 200), b"".join([chunk async for chunk in stream.chunks]))


@contextlib.contextmanager
def _heard(logged: list[str]) -> Iterator[None]:
    """Collects every log record, of any level; httpx is as quiet as in production, where its lines would hold URLs."""
    root, handler, level = logging.getLogger(), _Hearing(logged), logging.getLogger().level
    logging.getLogger("httpx").setLevel(logging.WARNING)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


class _Hearing(logging.Handler):
    def __init__(self, logged: list[str]) -> None:
        super().__init__()
        self._logged = logged

    def emit(self, record: logging.LogRecord) -> None:
        self._logged.append(record.getMessage())
