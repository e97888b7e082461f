"""Live runs, with the simulator as if it were the provider: what is not proven is never called verified."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from contracts.document import Document
from contracts.simulator.demo import ACCOUNTS
from contracts.simulator.server import RunningSimulator, running
from contracts.simulator.tokenio import MEMBER
from gateway.conformance.cli import contracts
from gateway.conformance.findings import Verdict
from gateway.conformance.live import (
    Asked,
    LiveReport,
    Standing,
    TargetRefused,
    check_target,
    information,
    run_live,
    variable,
)
from gateway.conformance.subject import Subject, new_key

pytestmark = pytest.mark.anyio

PROVIDERS = ("firstpromoter", "heldsway", "ledger", "tokenio")
NOBODY = "http://127.0.0.1:1"


def environment(provider: str, **changes: str) -> dict[str, str]:
    """What CI would set; `changes` by field."""
    account = next(each for each in ACCOUNTS.values() if each.provider == provider)
    fields = {**account.credentials, **account.settings, **changes}
    return {variable(Subject.installed(provider).plugin, name): value for name, value in fields.items()}


@pytest.fixture
async def sway() -> AsyncIterator[RunningSimulator]:
    async with running("heldsway") as server:
        yield server


async def live(provider: str, url: str | None, given: dict[str, str] | None = None, **asked: Any) -> LiveReport:
    there = environment(provider) if given is None else given
    now = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
    return await run_live(Subject.installed(provider), there, Asked(url, **asked), now=lambda: now)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_run_that_only_reads_verifies_and_writes_nothing(provider: str) -> None:
    async with running(provider) as server:
        report = await live(provider, server.url)
        log = list(server.simulator.log)
    assert (report.standing, report.on, report.failed) == (Standing.VERIFIED, date(2026, 11, 20), False)
    assert report.reasons == []
    assert len(log) >= 4
    assert {entry.method for entry in log if entry.operation != "create_access_token"} == {"GET"}
    assert not [entry for entry in log if entry.changed]
    left_out = {ran.detail for ran in report.findings.of(Verdict.LEFT_OUT)}
    assert left_out == {"it writes; --writes runs it", "needs the simulator"}


@pytest.mark.parametrize("provider", ["firstpromoter", "heldsway", "ledger"])
async def test_with_writes_the_payouts_move(provider: str) -> None:
    async with running(provider) as server:
        report = await live(provider, server.url, writes=True)
        assert [entry for entry in server.simulator.log if entry.changed]
    assert (report.standing, report.reasons) == (Standing.VERIFIED, [])
    assert {ran.detail for ran in report.findings.of(Verdict.LEFT_OUT)} == {"needs the simulator"}


async def test_a_signing_key_verifies_and_another_key_is_refused() -> None:
    pem = new_key()
    public = load_pem_private_key(pem.encode(), None).public_key()
    shown = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    fields = {"member_id": MEMBER, "key_id": "test-key-1", "private_key": pem, "debtor_account_id": "a:test:sim"}
    plugin = Subject.installed("tokenio").plugin
    async with running("tokenio") as server:
        server.simulator.trust("test-key-1", shown)
        report = await live("tokenio", server.url, {variable(plugin, name): value for name, value in fields.items()})
    assert (report.standing, report.reasons) == (Standing.VERIFIED, [])
    assert "wrong credentials are refused" in {ran.scenario for ran in report.findings.of(Verdict.PASSED)}


async def test_absent_credentials_are_unverified_and_never_verified() -> None:
    report = await live("ledger", NOBODY, {})
    assert (report.standing, report.failed, report.on) == (Standing.UNVERIFIED, False, None)
    assert report.reasons == ["no credentials: set PAYOUT_LIVE_LEDGER_ACCESS_TOKEN"]


@pytest.mark.parametrize("value", ["", None])
async def test_a_required_provider_without_credentials_fails(value: str | None) -> None:
    given = {} if value is None else {"PAYOUT_LIVE_LEDGER_ACCESS_TOKEN": value}
    report = await live("ledger", NOBODY, given, required=True)
    assert (report.standing, report.failed) == (Standing.UNVERIFIED, True)


async def test_half_of_the_credentials_is_a_fault() -> None:
    report = await live("heldsway", NOBODY, {"PAYOUT_LIVE_HELDSWAY_API_KEY": "test-key"})
    assert (report.standing, report.failed) == (Standing.UNVERIFIED, True)
    assert "PAYOUT_LIVE_HELDSWAY_API_SECRET" in report.reasons[0]


async def test_credentials_without_a_base_url_are_a_fault() -> None:
    report = await live("ledger", None)
    assert (report.standing, report.failed) == (Standing.UNVERIFIED, True)
    assert "PAYOUT_LIVE_LEDGER_BASE_URL" in report.reasons[0]


async def test_without_scenarios_nothing_is_verified(tmp_path: Path) -> None:
    subject = replace(Subject.installed("ledger"), folder=tmp_path)
    report = await run_live(subject, environment("ledger"), Asked(NOBODY))
    assert (report.standing, report.failed) == (Standing.UNVERIFIED, True)
    assert report.reasons == ["nothing was read with these credentials"]


async def test_the_refusal_of_wrong_credentials_alone_verifies_nothing(tmp_path: Path) -> None:
    steps = "[{call: list_payouts, expect: {outcome: refused, because: credentials}}]"
    text = f"scenarios: [{{name: wrong credentials are refused, credentials: wrong, steps: {steps}}}]"
    (tmp_path / "scenarios.yaml").write_text(text)
    subject = replace(Subject.installed("ledger"), folder=tmp_path)
    async with running("ledger") as server:
        report = await run_live(subject, environment("ledger"), Asked(server.url))
    assert [ran.verdict for ran in report.findings.ran] == [Verdict.PASSED]
    assert report.standing is Standing.UNVERIFIED
    assert report.reasons == ["nothing was read with these credentials"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_refused_credentials_are_unverified_and_fail(provider: str) -> None:
    account = next(each for each in ACCOUNTS.values() if each.provider == provider)
    wrong = dict.fromkeys(account.credentials, "test-another-value")
    async with running(provider) as server:
        report = await live(provider, server.url, environment(provider, **wrong))
    assert (report.standing, report.failed) == (Standing.UNVERIFIED, True)
    assert report.reasons == ["the provider refused these credentials"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_nothing_listening_is_unreachable(provider: str) -> None:
    report = await live(provider, NOBODY)
    assert (report.standing, report.failed) == (Standing.UNREACHABLE, True)
    assert len(report.findings.ran) == 1, "the first scenario tells enough"


async def test_a_line_that_breaks_on_the_way_is_no_drift(sway: RunningSimulator) -> None:
    sway.simulator.add_fault("reset", operation="get_payout_stats", times=None)
    report = await live("heldsway", sway.url)
    assert report.standing is Standing.UNREACHABLE


DRIFTS = {
    "get_payout: status at the reply": {"fault": "status", "status": 418},
    "get_payout: type at /data/id": {"fault": "status", "status": 200, "body": {"data": {"id": "x", "status": "paid"}}},
    "get_payout: required at /data": {"fault": "status", "status": 200, "body": {"data": {"id": 52}}},
    "get_payout: media at the reply": {"fault": "content_type"},
}


@pytest.mark.parametrize("line", DRIFTS)
async def test_a_drifted_answer_is_drift(line: str, sway: RunningSimulator) -> None:
    sway.simulator.add_fault(operation="get_payout", times=None, **DRIFTS[line])
    report = await live("heldsway", sway.url)
    assert (report.standing, report.failed) == (Standing.DRIFT, True)
    assert line in report.reasons


async def test_a_known_bad_request_that_is_accepted_is_drift(sway: RunningSimulator) -> None:
    page = {"data": {"items": [], "meta": {"current_page": 1, "per_page": 1, "total": 0, "last_page": 0}}}
    sway.simulator.add_fault("status", operation="list_payouts", times=None, status=200, body=page)
    report = await live("heldsway", sway.url)
    assert report.standing is Standing.DRIFT
    assert any("page size" in reason and "expected refused" in reason for reason in report.reasons)


async def test_a_new_field_and_a_new_word_are_information(sway: RunningSimulator) -> None:
    body = {"data": {"id": 52, "status": "on_review", "colour": "red"}}
    sway.simulator.add_fault("status", operation="get_payout", times=1, status=200, body=body)
    report = await live("heldsway", sway.url)
    assert report.standing is Standing.VERIFIED
    assert information(report.findings) == [
        "get_payout: an undocumented field (colour) at /data",
        "get_payout: a word that the contract does not list (on_review) at /data/status",
    ]


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("heldsway", "https://api.heldsway.com/api"),
        ("heldsway", "https://API.Heldsway.com.:443"),
        ("firstpromoter", "https://firstpromoter.com/api/v1"),
        ("ledger", "https://affiliates.platform.loop.health"),
        ("tokenio", "https://api.token.io"),
    ],
)
def test_production_is_refused_unless_it_is_allowed(provider: str, url: str) -> None:
    document = Document.load(provider)
    with pytest.raises(TargetRefused, match="--allow-production"):
        check_target(url, document, allow_production=False)
    check_target(url, document, allow_production=True)


def test_a_sandbox_is_no_production() -> None:
    check_target("https://api.sandbox.token.io", Document.load("tokenio"), allow_production=False)


@pytest.mark.parametrize("url", ["http://provider.test", "ftp://provider.test", "provider", "http://", "https://[::"])
def test_a_base_url_that_is_none_or_shows_the_credentials_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused):
        check_target(url, Document.load("ledger"), allow_production=True)


@contextlib.contextmanager
def served(provider: str) -> Iterator[str]:
    """A simulator in a thread: the command has its own event loop."""
    url, end, ready = [""], threading.Event(), threading.Event()

    async def serve() -> None:
        async with running(provider) as server:
            url[0] = server.url
            ready.set()
            await asyncio.to_thread(end.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield url[0]
    finally:
        end.set()
        thread.join()


def command(*arguments: str, given: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(contracts, ["test", "--live", *arguments], env=given or {})


def test_the_command_tells_a_verdict_and_no_secret() -> None:
    with served("heldsway") as url:
        result = command("heldsway", "--base-url", url, "--json", given=environment("heldsway"))
        table = command("heldsway", "--base-url", url, given=environment("heldsway"))
    assert result.exit_code == table.exit_code == 0
    [report] = json.loads(result.output)
    assert (report["standing"], report["failed"]) == ("VERIFIED", False)
    assert "VERIFIED" in table.output
    for value in ACCOUNTS["sway"].credentials.values():
        assert value not in result.output + table.output


def test_the_command_without_credentials_exits_0_and_is_not_green() -> None:
    result = command()
    assert result.exit_code == 0
    assert result.output.count("UNVERIFIED") == len(PROVIDERS)
    assert "passed" not in result.output.replace("┃ passed ┃", "")


def test_the_command_fails_for_a_required_provider() -> None:
    result = command("--require", "ledger")
    assert result.exit_code == 1


def test_the_command_fails_where_nobody_listens() -> None:
    given = environment("ledger") | {"PAYOUT_LIVE_LEDGER_BASE_URL": NOBODY}
    result = command("ledger", given=given)
    assert result.exit_code == 1
    assert "UNREACHABLE" in result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--base-url", NOBODY), "name the PROVIDER"),
        (("ledger", "--require", "heldsway"), "not among the providers"),
        (("nobody",), "no provider 'nobody' is installed"),
        (("heldsway", "--base-url", "https://api.heldsway.com/api"), "is production"),
    ],
)
def test_the_command_says_what_is_wrong_with_its_options(arguments: tuple[str, ...], told: str) -> None:
    result = command(*arguments, given=environment("heldsway"))
    assert result.exit_code != 0
    assert told in result.output


def test_live_options_need_live() -> None:
    result = CliRunner().invoke(contracts, ["test", "ledger", "--writes"])
    assert result.exit_code == 2
    assert "--live" in result.output
