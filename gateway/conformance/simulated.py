"""Scenarios at the simulator: real HTTP on the loopback interface, faults, and a clock that can be moved."""

from __future__ import annotations

from typing import Any

from contracts.simulator.demo import ACCOUNTS
from contracts.simulator.server import RunningSimulator, running
from gateway.conformance.party import Party
from gateway.conformance.scenarios import Findings, run_scenarios
from gateway.conformance.subject import Subject
from gateway.upstream.client import new_client


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


async def run_simulated(subject: Subject) -> Findings:
    """All scenarios of a provider that can be simulated. Raises ValueError for another one."""
    account = next((each for each in ACCOUNTS.values() if each.provider == subject.name), None)
    if account is None:
        raise ValueError(f"{subject.name} cannot be simulated")
    party = Party.of(subject, account.credentials, account.currency, account.settings)
    async with running(subject.name) as server, new_client() as client:
        return await run_scenarios(party, Simulated(server), client, writes=True)
