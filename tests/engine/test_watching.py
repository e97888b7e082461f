"""In production each reply is compared with the contract: departures are counted, and change nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from contracts.document import Document
from contracts.simulator.demo import ACCOUNTS
from contracts.simulator.server import RunningSimulator, running
from gateway import metrics
from gateway.plugins import contract_folder, contract_of
from gateway.upstream import Answered, Outcome, Refused, Upstream, UpstreamFailed
from gateway.upstream.transport import Transport
from gateway.upstream.watching import Watch, counting
from providers.heldsway import AccessToken, Heldsway, KeyPair
from providers.ledger import Ledger
from providers.sdk import Account, ListQuery, Provider, Reply, Secret
from tests.conftest import Stack

pytestmark = pytest.mark.anyio

CANARY = "test-canary-value"
JSON = "application/json"
SWAY = Document.load("heldsway")


@pytest.fixture
async def sway() -> AsyncIterator[RunningSimulator]:
    async with running("heldsway") as server:
        yield server


@pytest.fixture(autouse=True)
def _none_counted() -> None:
    metrics.contract_violation.clear()


async def test_a_simulated_provider_departs_in_nothing(sway: RunningSimulator) -> None:
    async with Transport() as transport:
        pair = KeyPair(**{name: Secret(value) for name, value in ACCOUNTS["sway"].credentials.items()})
        way = Upstream(Heldsway(Account("USD")), sway.url, lambda: (pair,), transport, watch=counting("heldsway", SWAY))
        await way.read(Heldsway(Account("USD")).list_payouts(ListQuery()))
        refused = await way.send(Heldsway(Account("USD")).get("999"))
    assert isinstance(refused, Refused)
    assert counted() == {}


ANSWERS = {
    "/data/method type": (200, {"data": {"id": 42, "status": "pending", "method": 7}}, "Unclear"),
    "/data/created_at format": (200, {"data": {"id": 42, "status": "pending", "created_at": CANARY}}, "Answered"),
    "/error/code enum": (404, {"error": {"code": CANARY, "message": "m"}, "success": False}, "Refused"),
    " status": (418, {}, "Unclear"),
}


@pytest.mark.parametrize("labels", ANSWERS)
async def test_a_departure_is_counted_and_changes_no_outcome(labels: str) -> None:
    status, body, kind = ANSWERS[labels]
    outcomes = [await outcome_of(status, json.dumps(body), JSON, document) for document in (None, SWAY)]
    assert [type(outcome).__name__ for outcome in outcomes] == [kind, kind]
    pointer, keyword = labels.split(" ")
    assert {labels for labels in counted() if labels[1] == "get_payout"} == {
        ("heldsway", "get_payout", pointer, keyword)
    }
    assert CANARY not in metrics.exposition().decode()


@pytest.mark.parametrize("keyword", ["media", "json"])
async def test_what_is_no_json_is_counted(keyword: str) -> None:
    await outcome_of(200, "<p>", {"media": "text/html", "json": JSON}[keyword], SWAY)
    assert ("heldsway", "get_payout", "", keyword) in counted()


async def test_a_file_of_another_type_is_counted() -> None:
    async with answering(200, "<p>", "text/html") as client:
        way = holding_a_token(client, counting("heldsway", SWAY))
        with pytest.raises(UpstreamFailed):
            await way.open(Heldsway(Account("USD")).export())
    assert counted() == {("heldsway", "export_payouts", "", "media"): 1.0}


async def test_a_watch_that_fails_costs_no_answer_and_tells_no_value(caplog: pytest.LogCaptureFixture) -> None:
    def broken(operation: str, reply: Reply) -> None:
        raise RuntimeError(CANARY)

    async with answering(200, json.dumps({"data": {"id": 42, "status": "pending"}}), JSON) as client:
        outcome = await holding_a_token(client, broken).send(Heldsway(Account("USD")).get("42"))
    assert isinstance(outcome, Answered)
    assert "RuntimeError" in caplog.text
    assert CANARY not in caplog.text


async def test_a_gateway_counts_what_its_connections_answer(stack: Stack) -> None:
    await stack.fault("sway", "status", "list_payouts", status=418, times=None)
    await stack.call.get("/v1/payouts?connection=sway")
    assert counted()[("heldsway", "list_payouts", "", "status")] >= 1
    shown = await stack.call.get("/metrics")
    assert "payout_gateway_contract_violation_total" in shown.text


def test_an_outside_plugin_brings_its_contract_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "contract"
    folder.mkdir()
    (folder / "openapi.yaml").write_text("openapi: 3.1.0\npaths: {}\n")
    module = ModuleType("test_outside")
    module.__file__ = str(tmp_path / "__init__.py")
    monkeypatch.setitem(sys.modules, "test_outside", module)
    outside = type("Outside", (Provider,), {"name": "outside", "__module__": "test_outside"})
    assert contract_folder(outside) == folder
    assert contract_of(outside) is contract_of(outside)
    (folder / "openapi.yaml").unlink()
    assert contract_folder(outside) is None
    assert contract_of(outside) is None


def test_a_built_in_plugin_has_the_shipped_contract() -> None:
    folder = contract_folder(Ledger)
    assert folder is not None
    assert folder.parts[-2:] == ("contracts", "ledger")


async def outcome_of(status: int, body: str, media: str, document: Document | None) -> Outcome[Any]:
    sender = holding_a_token(answering(status, body, media), counting("heldsway", document))
    return await sender.send(Heldsway(Account("USD")).get("42"))


def answering(status: int, body: str, media: str) -> httpx.MockTransport:
    async def parts() -> AsyncIterator[bytes]:
        yield body.encode()

    headers = {"content-type": media}
    return httpx.MockTransport(lambda request: httpx.Response(status, headers=headers, content=parts()))


def holding_a_token(transport: httpx.AsyncBaseTransport, watch: Watch) -> Upstream:
    token = AccessToken(Secret("test-access-token"))
    return Upstream(Heldsway(Account("USD")), "http://provider.test", lambda: (token,), transport, watch=watch)


def counted() -> dict[tuple[str, ...], float]:
    """What stands in the counter, by its labels."""
    samples = [sample for family in metrics.contract_violation.collect() for sample in family.samples]
    names = ("provider", "operation", "pointer", "keyword")
    totals = (sample for sample in samples if sample.name.endswith("_total"))
    return {tuple(sample.labels[name] for name in names): sample.value for sample in totals}
