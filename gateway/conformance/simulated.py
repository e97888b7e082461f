"""Scenarios at the simulator: real HTTP on the loopback interface, faults, and a clock that can be moved."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from contracts.cases import Family
from contracts.simulator import PROVIDERS
from contracts.simulator.demo import ACCOUNTS
from contracts.simulator.server import RunningSimulator, running
from gateway.conformance.findings import Findings, Verdict
from gateway.conformance.party import Party
from gateway.conformance.report import Failure, Report
from gateway.conformance.scenarios import run_scenarios
from gateway.conformance.subject import Subject
from gateway.upstream.transport import Transport

PREFIX = "scenario/"  # of the ids of failures


class Simulated:
    """A simulator as a place where scenarios run; each begins at its seeds."""

    run = "test-run"
    simulated = True
    timeout = 5.0

    def __init__(self, server: RunningSimulator) -> None:
        self.url = server.url
        self._simulator = server.simulator

    def begin(self) -> None:
        self._simulator.reset()

    def fault(self, given: dict[str, Any]) -> None:
        self._simulator.add_fault(**given)

    async def wait(self, seconds: float) -> None:
        self._simulator.advance(seconds)


def add_scenarios(report: Report, subject: Subject, only: str | None = None) -> None:
    """Counts the scenarios into a report; where the provider cannot be simulated, those that are not run.

    `only`: the one with this id. Raises ScenariosInvalid.
    """
    scenarios = subject.scenarios
    if not (only or PREFIX).startswith(PREFIX):
        return
    if subject.name not in PROVIDERS:
        report.not_run = len(scenarios)
        return
    began = time.perf_counter()
    findings = asyncio.run(run_simulated(subject, only and only.removeprefix(PREFIX)))
    report.seconds += time.perf_counter() - began
    report.cases[Family.SCENARIOS] += len(findings.ran)
    failed = [ran for ran in findings.ran if ran.verdict is not Verdict.PASSED]
    report.failures += [Failure(PREFIX + ran.scenario, "every step as described", ran.detail or "") for ran in failed]
    report.failures += [Failure(PREFIX + "*", "the contract's answers", line) for line in findings.departed]


async def run_simulated(subject: Subject, only: str | None = None) -> Findings:
    """All scenarios of a provider that can be simulated, or the one with this name."""
    account = next(each for each in ACCOUNTS.values() if each.provider == subject.name)
    party = Party.of(subject, account.credentials, account.currency, account.settings)
    async with running(subject.name) as server, Transport() as transport:
        return await run_scenarios(party, Simulated(server), transport, writes=True, only=only)
