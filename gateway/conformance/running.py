"""Runs every case on the path of production: the plugin's call, the sender, the plugin's reading, the verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from functools import lru_cache
from typing import Any

import httpx

from contracts.cases import CANARY, Case, documented, generate
from contracts.closed_world import credential_headers
from contracts.coverage import Coverage
from contracts.document import Document
from contracts.expect import FILES, Expected, expect
from contracts.mapping import Mapping
from gateway.conformance.hearing import heard
from gateway.conformance.judging import Observed, call_faults, faults_of
from gateway.conformance.line import Line
from gateway.conformance.report import Failure, Report
from gateway.conformance.subject import Subject
from gateway.upstream import Answered, Evidence, Outcome, Upstream, UpstreamFailed
from gateway.upstream.retrying import RetryBudget
from providers.sdk import Call, Provider, Token

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
    coverage: Coverage | None = None,
) -> Report:
    """Runs the suite. `cases`: those instead of all; `only`: the one with this id; `progress` hears of each case.

    `coverage`: one that other runs count in, too. Raises SubjectInvalid.
    """
    subject.check()
    chosen = generate(subject.document, subject.mapping) if cases is None else cases
    if only is not None:
        chosen = (case for case in chosen if case.id == only)
    report = Report(subject.name, coverage or Coverage(subject.document, subject.mapping.unreachable))
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
        self.documented = documented_successes(subject.document, subject.mapping)
        self.shown_in = credential_headers(subject.document)

    async def all(self, cases: Iterable[Case], stop_at_first: bool, progress: Progress) -> None:
        with heard(self.logged):
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
            wrong = [fault async for fault in self._faults(case, expected)]
        except Exception as error:
            wrong = [f"{type(error).__name__} escaped: {error}"[:500]]
        return Failure(case.id, str(expected), "; ".join(wrong)) if wrong else None

    async def _faults(self, case: Case, expected: Expected) -> AsyncIterator[str]:
        provider = self._provider(case.currency)
        self.line.sent.clear()
        entering = case.capability == "login"
        call = provider.login(self.subject.minted) if entering else case.intent.call(provider)
        if call is None:
            raise LookupError("the plugin has no login for these credentials")
        for fault in call_faults(case, self.subject.mapping, call):
            yield fault
        observed = await (self._log_in(provider, case) if entering else self._send(provider, case, call))
        for fault in faults_of(case, expected, observed, self._secrets(case)):
            yield fault

    async def _send(self, provider: Provider, case: Case, call: Call[Any]) -> Observed:
        upstream = self._upstream(provider, case)
        outcome = await (opened(upstream, call) if case.capability in FILES else upstream.send(call))
        return self._observed(outcome, call, upstream)

    async def _log_in(self, provider: Provider, case: Case) -> Observed:
        """A login is seen by the call behind it: whether that goes out, and with which token."""
        upstream = self._upstream(provider, case)
        call = self._any_read().intent.call(provider)
        outcome: Outcome[Any] = await upstream.send(call)
        if isinstance(outcome, Answered):
            outcome = Answered(outcome.evidence, upstream.token)
        return self._observed(outcome, call, upstream)

    def _any_read(self) -> Case:
        """A documented read, behind which a login stands."""
        rules = self.subject.mapping.operations
        reads = (case for case in self.documented.values() if rules[case.operation]["effect"] == "read")
        return next(case for case in reads if case.capability != "login")

    def _credentials(self, case: Case) -> Any:
        return self.subject.minted if case.minted or case.capability == "login" else self.subject.direct

    def _secrets(self, case: Case) -> list[str]:
        """What must show nowhere: the credentials in use, as such and as they were sent, and what bodies mark."""
        held = self._credentials(case)
        minted = case.capability == "login"  # then what was sent is what the case made up
        requests = () if minted else self.line.sent
        sent = [request.headers.get(name, "") for request in requests for name in self.shown_in]
        spelt = [text.rpartition(" ")[2] for text in sent if text]
        return [CANARY, *(getattr(held, name).reveal() for name in held.__struct_fields__), *spelt]

    def _observed(self, outcome: Outcome[Any], call: Call[Any], upstream: Upstream) -> Observed:
        """Every request that left counts, wherever it went."""
        asked = [request for request in self.line.sent if not self._is_login(request)]
        logins = len(self.line.sent) - len(asked)
        bare = sum(not _carries(request, upstream.token) for request in asked)
        return Observed(outcome, len(asked), call.effect, tuple(self.logged), logins, bare)

    def _is_login(self, request: httpx.Request) -> bool:
        match = self.subject.document.match(request.method, request.url.path)
        return match is not None and match[0].login

    def _provider(self, currency: str | None) -> Provider:
        if currency not in self.made:
            self.made[currency] = self.subject.made(currency)
        return self.made[currency]

    def _upstream(self, provider: Provider, case: Case) -> Upstream:
        credentials = self._credentials(case)
        upstream = Upstream(provider, BASE_URL, lambda: (credentials,), self.line, clock=lambda: NOW)
        upstream.budget = NoRetries()
        self.line.answer = lambda request: self._answer(case, request)
        return upstream

    def _answer(self, case: Case, request: httpx.Request) -> Case:
        """The case for its own operation; what is asked beside it gets what the contract documents.

        Raises LookupError for what it does not document.
        """
        match = self.subject.document.match(request.method, request.url.path)
        if match is None:
            raise LookupError(f"{request.method} {request.url.path} is not documented")
        return case if match[0].id == case.operation else self.documented[match[0].id]


def _carries(request: httpx.Request, token: Token | None) -> bool:
    return token is None or any(token.value.reveal() in value for value in request.headers.values())


@lru_cache(maxsize=16)
def documented_successes(document: Document, mapping: Mapping) -> dict[str, Case]:
    """One documented success of each operation, by its id."""
    return {case.operation: case for case in documented(document, mapping) if case.status == 200}


async def opened(upstream: Upstream, call: Call[Any]) -> Outcome[Any]:
    """A file, read to its end."""
    try:
        stream = await upstream.open(call)
    except UpstreamFailed as failed:
        return failed.outcome
    return Answered(Evidence(True, 200), b"".join([chunk async for chunk in stream.chunks]))
