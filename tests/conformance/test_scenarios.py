"""Whole lives of a payout at the simulator: they pass, they reach everything, and they can fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contracts.coverage import Coverage
from contracts.scenarios import ScenariosInvalid, filled, scenarios_in, shown
from contracts.simulator.demo import ACCOUNTS
from contracts.simulator.server import running
from gateway.conformance.findings import Findings, Verdict
from gateway.conformance.party import Party
from gateway.conformance.report import Report
from gateway.conformance.scenarios import is_write, run_scenarios
from gateway.conformance.simulated import Simulated, add_scenarios, run_simulated
from gateway.conformance.subject import Subject
from gateway.upstream.transport import Transport
from providers.ledger import Ledger
from providers.sdk import Call, Mark, Payout, convergent
from providers.tokenio import TokenIo

pytestmark = pytest.mark.anyio

PROVIDERS = ("firstpromoter", "heldsway", "ledger", "tokenio")
# Of the bulk calls neither body nor result is documented.
UNREACHED = {"bulk_process", "bulk_complete"}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_scenario_passes_and_every_answer_is_the_contracts(provider: str) -> None:
    findings = await run_simulated(Subject.installed(provider))
    assert [ran for ran in findings.ran if ran.verdict is not Verdict.PASSED] == []
    assert (findings.departures, findings.surplus) == ({}, {})
    assert len(findings.ran) >= 7


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_scenarios_reach_every_capability(provider: str) -> None:
    subject = Subject.installed(provider)
    called = {step.call for scenario in subject.scenarios for step in scenario.steps}
    assert subject.plugin.offers().keys() - called - UNREACHED == set()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_has_wrong_credentials_an_unknown_id_and_a_lost_answer(provider: str) -> None:
    scenarios = Subject.installed(provider).scenarios
    assert any(scenario.credentials == "wrong" for scenario in scenarios)
    outcomes = {step.expect.because for scenario in scenarios for step in scenario.steps}
    assert {"not_found", "credentials"} <= outcomes
    assert any(step.fault for scenario in scenarios for step in scenario.steps)
    assert any(step.send for scenario in scenarios if not scenario.simulator for step in scenario.steps)


def party_of(subject: Subject) -> Party:
    account = next(each for each in ACCOUNTS.values() if each.provider == subject.name)
    return Party.of(subject, account.credentials, account.currency, account.settings)


async def findings_with(subject: Subject, **fault: Any) -> Findings:
    """A run at a simulator with one fault that stays."""

    class Spoilt(Simulated):
        def begin(self) -> None:
            super().begin()
            if fault:
                self.fault({"times": None, **fault})

    async with running(subject.name) as server, Transport() as transport:
        return await run_scenarios(party_of(subject), Spoilt(server), transport, writes=True)


FAULTS = [
    ("ledger", {"fault": "wrong_id", "operation": "get_payout"}),
    ("ledger", {"fault": "unknown_status", "operation": "approve_payout"}),
    ("heldsway", {"fault": "wrong_status", "operation": "get_payout"}),
    ("heldsway", {"fault": "wrong_reference", "operation": "get_payout"}),
    ("tokenio", {"fault": "wrong_amount", "operation": "list_payouts"}),
    ("firstpromoter", {"fault": "unauthorized"}),
]


@pytest.mark.parametrize(("provider", "fault"), FAULTS)
async def test_a_provider_that_answers_otherwise_fails_a_scenario(provider: str, fault: dict[str, Any]) -> None:
    findings = await findings_with(Subject.installed(provider), **fault)
    assert findings.of(Verdict.FAILED)


@pytest.mark.parametrize(
    ("fault", "keyword"),
    [
        ({"fault": "status", "status": 418}, "status"),
        ({"fault": "content_type"}, "media"),
        ({"fault": "bom"}, "json"),
        ({"fault": "status", "status": 200, "body": {"id": 7}}, "required"),
    ],
)
async def test_an_answer_that_is_not_the_contracts_is_found(fault: dict[str, Any], keyword: str) -> None:
    findings = await findings_with(Subject.installed("ledger"), operation="get_payout", **fault)
    assert keyword in {departure.keyword for operation, departure in findings.departures if operation == "get_payout"}


@pytest.mark.parametrize(("simulated", "verdict"), [(True, Verdict.FAILED), (False, Verdict.LEFT_OUT)])
async def test_an_account_without_such_a_record_is_left_out_live_only(simulated: bool, verdict: Verdict) -> None:
    class Empty(Simulated):
        def begin(self) -> None:
            self._simulator.seed(payouts=[], replace=True)

    async with running("ledger") as server, Transport() as transport:
        place = Empty(server)
        place.simulated = simulated
        findings = await run_scenarios(party_of(Subject.installed("ledger")), place, transport, writes=True)
    [ran] = [each for each in findings.ran if each.scenario.startswith("open payouts are listed")]
    assert (ran.verdict, ran.detail) == (verdict, "step 1: the account shows nothing at /items/0/id")


async def test_a_word_that_nobody_documented_is_information() -> None:
    findings = await findings_with(Subject.installed("heldsway"), fault="unknown_status", operation="get_payout")
    assert [(operation, each.pointer, each.detail) for operation, each in findings.surplus] == [
        ("get_payout", "/data/status", "test_unheard_of")
    ]


class Careless(TokenIo):
    def reference(self, tenant: str, reference: str) -> str:
        return "always-the-same"

    def _same(self, item: Any, order: Any) -> Payout:
        return self._payout(item)


class Believing(Ledger):
    @convergent("mark_payout_paid")
    def complete(self, id: str, mark: Mark) -> Call[Payout | None]:
        return replace(super().complete(id, mark), reads=self._full)


@pytest.mark.parametrize(("plugin", "provider"), [(Believing, "ledger"), (Careless, "tokenio")])
async def test_a_plugin_that_is_wrong_fails_a_scenario(plugin: type[Any], provider: str) -> None:
    findings = await findings_with(replace(Subject.installed(provider), plugin=plugin))
    assert findings.of(Verdict.FAILED)


def test_the_offline_suite_counts_the_scenarios_and_names_the_one_that_fails() -> None:
    subject = Subject.installed("ledger")
    report = Report("ledger", Coverage(subject.document))
    add_scenarios(report, subject)
    assert (report.cases["scenarios"], report.failures) == (len(subject.scenarios), [])
    add_scenarios(report, replace(subject, plugin=Believing))
    assert "scenario/a payout in the wrong state stays as it is" in [failure.case for failure in report.failures]
    add_scenarios(report, subject, only="get_payout.get/200/examples/approved")
    add_scenarios(report, subject, only="scenario/wrong credentials are refused")
    assert report.cases["scenarios"] == 2 * len(subject.scenarios) + 1


async def test_without_writes_nothing_that_writes_is_run() -> None:
    subject = Subject.installed("heldsway")
    async with running("heldsway") as server, Transport() as transport:
        findings = await run_scenarios(party_of(subject), Simulated(server), transport, writes=False)
    ran = {each.scenario for each in findings.ran if each.verdict is not Verdict.LEFT_OUT}
    writing = {it.name for it in subject.scenarios if any(is_write(step, subject) for step in it.steps)}
    assert ran == {scenario.name for scenario in subject.scenarios} - writing
    assert len(ran) > 3


@pytest.mark.parametrize(
    "text",
    [
        "scenarios: []",
        "scenarios: [{name: too short, steps: []}]",
        "scenarios: [{name: neither call nor send, steps: [{keep: {a: /b}}]}]",
        "scenarios: [{name: a fault at a real provider, steps: [{fault: {fault: reset}}]}]",
        "scenarios: [{name: an outcome that is none, steps: [{call: get, expect: {outcome: fine}}]}]",
        "scenarios: [{name: a word too much, steps: [{call: get, expects: {}}]}]",
        "scenarios: [{name: a capability that is none, steps: [{call: vanish}]}]",
        "scenarios: [",
    ],
)
def test_a_file_that_is_no_list_of_scenarios_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "scenarios.yaml").write_text(text)
    with pytest.raises(ScenariosInvalid, match=r"scenarios\.yaml"):
        scenarios_in(tmp_path)


def test_a_contract_without_scenarios_has_none(tmp_path: Path) -> None:
    assert scenarios_in(tmp_path) == ()


UNMET = {
    "call: get, with: {id: po_test_0001}, expect: {outcome: unclear}": "expected unclear, got answered (HTTP 200",
    "call: get, with: {id: po_test_0001}, expect: {shows: {/status: approved}}": "expected approved at /status",
    "call: get, with: {id: po_test_0001}, expect: {status: 201}": "expected HTTP 201, got 200",
    "call: get, with: {id: po_none}, expect: {outcome: refused, because: conflict}": "got not_found",
    "call: get, with: {id: po_none}": "expected answered, got refused (HTTP 404",
    "call: get, with: {id: $nobody}": "something is named that no step before has kept",
    "call: get, with: {id: a/b}": "/id: not an id of ledger",
    "call: list_payouts, with: {colour: red}": "the scenario's words",
    "call: complete, with: {id: po_test_0002, reference: 7}": "the unified API refuses these words itself",
    "call: stats": "stats",
    "send: GET /v1/nothing": "the contract has no such operation",
    "send: GET /v1/admin/payouts, expect: {outcome: refused}": "expected refused, got unclear (HTTP 200",
    "call: list_payouts, keep: {payout: /items/status=odd/id}": "the account shows nothing at /items/status=odd/id",
}


@pytest.mark.parametrize("step", UNMET)
async def test_a_step_that_does_not_come_out_as_described_fails_and_says_why(step: str, tmp_path: Path) -> None:
    (tmp_path / "scenarios.yaml").write_text(f"scenarios: [{{name: one step alone, steps: [{{{step}}}]}}]")
    [ran] = (await run_simulated(replace(Subject.installed("ledger"), folder=tmp_path))).ran
    assert ran.verdict is Verdict.FAILED
    assert ran.detail is not None
    assert UNMET[step] in ran.detail


async def test_a_page_that_shows_again_what_was_shown_fails(tmp_path: Path) -> None:
    step = "call: list_payouts, with: {limit: 5}, pages: 2"
    (tmp_path / "scenarios.yaml").write_text(f"scenarios: [{{name: one step alone, steps: [{{{step}}}]}}]")
    meta = {"current_page": 1, "per_page": 1, "total": 2, "last_page": 2}
    page = {"items": [{"id": 7, "status": "pending"}], "meta": meta}
    fault = {"fault": "status", "operation": "list_payouts", "status": 200, "body": {"data": page}}
    [ran] = (await findings_with(replace(Subject.installed("heldsway"), folder=tmp_path), **fault)).ran
    assert ran.detail == "step 1, list_payouts: a page shows what a page before it has shown"


def test_names_are_filled_in() -> None:
    kept = {"payout": 42, "run": "r"}
    assert filled({"id": "$payout", "/$run/a": ["$run-1", 7]}, kept) == {"id": 42, "/r/a": ["r-1", 7]}
    for text in ("$nobody", "for $nobody", "$ 5"):
        with pytest.raises(ScenariosInvalid, match="something is named"):
            filled(text, kept)


def test_a_place_may_choose_an_item() -> None:
    result = {"items": [{"id": "1", "status": "paid"}, {"id": "2", "status": "due"}]}
    assert shown(result, "/items/status=due/id") == "2"
    assert shown(result, "/items/1/status") == "due"
    assert [shown(result, place) for place in ("/items/2", "/items/status=odd/id", "/none/at/all")] == [None] * 3
    assert shown(result, "") is result
