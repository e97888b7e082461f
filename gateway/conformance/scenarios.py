"""Runs whole lives of a payout (`contracts/<name>/scenarios.yaml`) at a provider, real or simulated.

Calls go the way of production, plugin and `Upstream`; each reply is compared with the contract besides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl

import httpx
import msgspec

from contracts.departures import Checker
from contracts.intents import Ask
from contracts.scenarios import Expectation, Poll, Scenario, ScenariosInvalid, Step, filled, shown
from gateway.conformance.door import let_in
from gateway.conformance.findings import Findings, Ran, Verdict
from gateway.conformance.judging import kind_of
from gateway.conformance.party import Party
from gateway.conformance.running import NoRetries, opened
from gateway.conformance.subject import Subject
from gateway.upstream import Answered, Outcome, Refused, Upstream
from providers.sdk import Call, Effect, FieldRefused, NotOffered, RefusalKind, Reply

_ONCE = Poll(every=0, times=1)


class Place(Protocol):
    """Where scenarios run. `run` is this run's own name; it goes into references."""

    url: str
    run: str
    simulated: bool
    timeout: float

    def begin(self) -> None:
        """Before each scenario."""

    def fault(self, given: dict[str, Any]) -> None:
        """Switches a fault on; never asked of a real provider."""

    async def wait(self, seconds: float) -> None: ...


class NothingThere(Exception):
    """The account has no record such as the scenario needs."""


class Unmet(Exception):
    """A step did not come out as expected."""


async def run_scenarios(
    party: Party,
    place: Place,
    transport: httpx.AsyncBaseTransport,
    *,
    writes: bool,
    only: str | None = None,
    told: Callable[[Ran], None] = lambda ran: None,
) -> Findings:
    """One after the other, or the one with a name. Without `writes` whatever has a write is left out.

    Where nothing answers the first scenario, the run ends.
    """
    findings = Findings()
    for scenario in party.subject.scenarios:
        if only not in (None, scenario.name):
            continue
        reason = _left_out(scenario, party.subject, place, writes=writes)
        if reason is None:
            ran = await _Life(scenario, party, place, transport, findings).run()
        else:
            ran = Ran(scenario.name, Verdict.LEFT_OUT, reason)
        findings.ran.append(ran)
        told(ran)
        if findings.outcomes and not findings.answered:
            break
    return findings


def _left_out(scenario: Scenario, subject: Subject, place: Place, *, writes: bool) -> str | None:
    if scenario.simulator and not place.simulated:
        return "needs the simulator"
    if not writes and any(is_write(step, subject) for step in scenario.steps):
        return "it writes; --writes runs it"
    return None


def is_write(step: Step, subject: Subject) -> bool:
    if step.call is not None:
        offered = subject.plugin.offers().get(step.call)
        return offered is None or offered[0] is not Effect.READ
    return step.send is not None and not step.send.startswith("GET ")


class _Life:
    """One scenario under way."""

    def __init__(
        self, scenario: Scenario, party: Party, place: Place, transport: httpx.AsyncBaseTransport, findings: Findings
    ) -> None:
        self.scenario = scenario
        self.party = party
        self.place = place
        self.findings = findings
        self.right = scenario.credentials == "right"
        self.checker = Checker(party.subject.document)
        credentials = party.credentials if self.right else party.wrong
        self.upstream = Upstream(
            party.provider, place.url, lambda: (credentials,), transport, timeout=place.timeout, watch=self._watch
        )
        if place.simulated:
            self.upstream.budget = NoRetries()
        self.kept: dict[str, Any] = {"run": place.run}

    async def run(self) -> Ran:
        name = self.scenario.name
        self.place.begin()
        for number, step in enumerate(self.scenario.steps, 1):
            try:
                await self._step(step)
            except NothingThere as reason:
                missing = Verdict.FAILED if self.place.simulated else Verdict.LEFT_OUT
                return Ran(name, missing, f"step {number}: {reason}")
            except (Unmet, FieldRefused, NotOffered, ScenariosInvalid) as reason:
                return Ran(name, Verdict.FAILED, f"step {number}, {step.call or step.send}: {reason}")
        return Ran(name, Verdict.PASSED)

    async def _step(self, step: Step) -> None:
        if step.fault is not None:
            self.place.fault(step.fault)
            return
        expected = msgspec.convert(filled(msgspec.to_builtins(step.expect), self.kept), Expectation)
        result = await self._polled(step, expected)
        for name, place in step.keep.items():
            found = shown(result, filled(place, self.kept))
            if found is None:
                raise NothingThere(f"the account shows nothing at {place}")
            self.kept[name] = found

    async def _polled(self, step: Step, expected: Expectation) -> Any:
        poll = step.poll or _ONCE
        for left in reversed(range(poll.times)):
            outcome, result = await self._sent(step)
            unmet = _unmet(expected, outcome, result)
            if unmet is None:
                return result
            if left:
                await self.place.wait(poll.every)
        raise Unmet(unmet)

    async def _sent(self, step: Step) -> tuple[Outcome[Any], Any]:
        """The outcome, and what it shows as plain data; over several pages all their items."""
        words, items = filled(step.words, self.kept), []
        for _ in range(step.pages):
            outcome = await self._one(self._request(step) if step.call is None else self._call(step.call, words))
            result = msgspec.to_builtins(outcome.result) if isinstance(outcome, Answered) else None
            if step.pages == 1 or result is None:
                return outcome, result
            items += result["items"]
            words = {**words, "cursor": result["next"]}
            if result["next"] is None:
                break
        if len({item["id"] for item in items}) < len(items):
            raise Unmet("a page shows what a page before it has shown")
        return outcome, {"items": items}

    async def _one(self, call: Call[Any]) -> Outcome[Any]:
        operation = self.party.subject.document.operations.get(call.operation)
        opens = operation is not None and operation.file
        outcome = await (opened(self.upstream, call) if opens else self.upstream.send(call))
        if self.right:
            self.findings.outcomes.append(outcome)
        return outcome

    def _call(self, capability: str, words: dict[str, Any]) -> Call[Any]:
        try:
            intent = let_in(self.party.provider, Ask(capability, words))
        except TypeError as error:
            raise Unmet(f"the scenario's words: {error}") from None
        if intent is None:
            raise Unmet("the unified API refuses these words itself")
        return intent.call(self.party.provider)

    def _request(self, step: Step) -> Call[Any]:
        """A request that no plugin makes. Whatever it is answered, it is no success."""
        method, _, url = filled(step.send, self.kept).partition(" ")
        path, _, query = url.partition("?")
        match = self.party.subject.document.match(method, path)
        if match is None:
            raise Unmet("the contract has no such operation")
        errors = self.party.subject.mapping.operations[match[0].id]["errors"]
        body = filled(step.body, self.kept)
        return Call(
            method,
            path,
            query=tuple(parse_qsl(query)),
            body=None if body is None else msgspec.json.encode(body),
            reads=lambda reply: None,
            success=frozenset(),
            refuses={int(status): RefusalKind(kind) for status, kind in errors.items()},
            operation=match[0].id,
            effect=Effect.READ if match[0].is_read else Effect.CREATE,
        )

    def _watch(self, operation: str, reply: Reply) -> None:
        departures = self.checker.departures(operation, reply)
        self.findings.departures |= dict.fromkeys((operation, each) for each in departures)
        if not departures:
            surplus = self.checker.surplus(operation, reply)
            self.findings.surplus |= dict.fromkeys((operation, each) for each in sorted(surplus, key=str))


def _unmet(expected: Expectation, outcome: Outcome[Any], result: Any) -> str | None:
    """In which way an outcome is not what was expected."""
    kind, status = kind_of(outcome), outcome.evidence.status
    if kind != expected.outcome:
        told = outcome.evidence.detail or "no detail"
        return f"expected {expected.outcome}, got {kind} (HTTP {status or '-'}, {told})"
    if expected.status not in (None, status):
        return f"expected HTTP {expected.status}, got {status}"
    because = outcome.refusal.kind.value if isinstance(outcome, Refused) else None
    if expected.because not in (None, because):
        return f"expected a refusal because of {expected.because}, got {because}"
    for place, wanted in expected.shows.items():
        found = shown(result, place)
        if found not in (wanted if isinstance(wanted, list) else [wanted]):
            return f"expected {wanted} at {place}, got {found}"
    return None
