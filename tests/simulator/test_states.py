"""The state machines, paging and figures of the four providers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from contracts.simulator import Simulator
from contracts.simulator.state import fixed_clock
from tests.simulator.conftest import ORDER, Open

pytestmark = pytest.mark.anyio


def _payouts(simulator: Simulator) -> dict[str, dict[str, Any]]:
    return {record.id: record.body for record in simulator.state.payouts}


async def test_every_status_is_seeded(simulator: Simulator) -> None:
    seeded = {payout["status"] for payout in _payouts(simulator).values()}
    assert seeded == set(simulator.description.statuses)
    assert len(simulator.state.payouts) in (12, 13)


# ledger


async def test_ledger_lists_what_is_open(opened: Open) -> None:
    simulator = Simulator("ledger")
    listed = (await opened(simulator).get("/v1/admin/payouts")).json()["data"]
    assert len(listed) == 9
    assert {payout["status"] for payout in listed} == {"pending", "approved", "recovery_owed"}


async def test_ledger_approves_once(opened: Open) -> None:
    simulator = Simulator("ledger")
    client = opened(simulator)
    first = (await client.post("/v1/admin/payouts/po_test_0001/approve")).json()
    again = (await client.post("/v1/admin/payouts/po_test_0001/approve")).json()
    assert first["status"] == "approved"
    assert first["approved_at"] is not None
    assert again == first
    assert [(entry.executed, entry.changed) for entry in simulator.log] == [(True, True), (True, False)]


async def test_ledger_keeps_the_first_reference(opened: Open) -> None:
    simulator = Simulator("ledger")
    client, path = opened(simulator), "/v1/admin/payouts/po_test_0002/mark-paid"
    first = (await client.post(path, json={"external_ref": "r-1"})).json()
    assert (first["status"], first["external_ref"]) == ("paid", "r-1")
    assert first["paid_at"] is not None
    for reference in ("r-1", "r-2"):
        assert (await client.post(path, json={"external_ref": reference})).json() == first
    assert [entry.changed for entry in simulator.log] == [True, False, False]
    assert simulator.log.executed("mark_payout_paid")[0].reference == "r-1"


@pytest.mark.parametrize("id", ["po_test_0001", "po_test_0003"])
async def test_ledger_shows_a_wrong_state_unchanged(id: str, opened: Open) -> None:
    simulator = Simulator("ledger")
    before = _payouts(simulator)[id]
    reply = await opened(simulator).post(f"/v1/admin/payouts/{id}/mark-paid", json={"external_ref": "r"})
    assert (reply.status_code, reply.json()) == (200, before)


# firstpromoter


async def test_firstpromoter_the_last_write_wins(opened: Open) -> None:
    simulator = Simulator("firstpromoter")
    client = opened(simulator)
    for status in ("completed", "pending", "processing", "processing"):
        reply = await client.put("/payouts/update", params={"id": 2710290, "status": status})
        assert (reply.json()["status"], reply.json()["date_paid"]) == (status, None)
    assert (await client.put("/payouts/update", params={"id": 2710290})).json()["status"] == "processing"
    assert [entry.changed for entry in simulator.log] == [True, True, True, False, False]


async def test_firstpromoter_pages_by_link(opened: Open) -> None:
    client = opened(Simulator("firstpromoter"))
    first = await client.get("/api/v1/payouts/list", params={"campaign_id": "15161"})
    assert "campaign_id=15161" in first.links["next"]["url"]
    second = await client.get(first.links["next"]["url"])
    assert (len(first.json()), len(second.json())) == (10, 3)
    assert "next" not in second.links
    assert len({payout["id"] for payout in first.json() + second.json()}) == 13
    assert (await client.get("/payouts/list?page=3")).json() == []


async def test_firstpromoter_filters_and_shows_points_and_secrets(opened: Open) -> None:
    client = opened(Simulator("firstpromoter"))
    completed = (await client.get("/payouts/list?status=completed")).json()
    assert {payout["status"] for payout in completed} == {"completed"}
    assert [payout["amount"] for payout in completed if payout["unit"] == "points"] == [12]
    assert completed[0]["promoter"]["auth_token"] == "test-auth-token"
    promoter = completed[0]["promoter"]["id"]
    mine = (await client.get(f"/payouts/list?promoter_id={promoter}")).json()
    assert {payout["promoter"]["id"] for payout in mine} == {promoter}


# heldsway


ALLOWED = {
    ("pending", "processing"),
    ("pending", "complete"),
    ("pending", "fail"),
    ("processing", "complete"),
    ("processing", "fail"),
}
BY_STATUS = {"pending": 42, "processing": 44, "completed": 46, "failed": 41}


@pytest.mark.parametrize("mark", ["processing", "complete", "fail"])
@pytest.mark.parametrize("status", list(BY_STATUS))
async def test_heldsway_transitions(status: str, mark: str, opened: Open) -> None:
    simulator = Simulator("heldsway")
    reply = await opened(simulator).post(f"/v1/payouts/{BY_STATUS[status]}/{mark}")
    (entry,) = simulator.log
    allowed = (status, mark) in ALLOWED
    assert reply.status_code == (200 if allowed else 409)
    assert (entry.executed, entry.changed, entry.ids) == (allowed, allowed, [str(BY_STATUS[status])])


async def test_heldsway_keeps_what_a_mark_brings(opened: Open) -> None:
    client = opened(Simulator("heldsway"))
    body = {"reference": "TXN-1", "notes": "n"}
    done = (await client.post("/v1/payouts/42/complete", json=body)).json()["data"]
    assert (done["reference"], done["notes"], done["status"]) == ("TXN-1", "n", "completed")
    assert done["paid_at"] is not None
    failed = (await client.post("/v1/payouts/43/fail", json={"reason": "closed"})).json()["data"]
    assert failed["failure_reason"] == "closed"


@pytest.mark.parametrize("key", ["ids", "payout_ids"])
async def test_heldsway_bulk_passes_over_what_may_not_be_marked(key: str, opened: Open) -> None:
    simulator = Simulator("heldsway")
    client = opened(simulator)
    assert (await client.post("/v1/payouts/bulk-complete", json={key: [42, 44, 46, 99]})).status_code == 200
    payouts = _payouts(simulator)
    assert [payouts[id]["status"] for id in ("42", "44")] == ["completed", "completed"]
    assert next(iter(simulator.log)).ids == ["42", "44"]
    assert (await client.post("/v1/payouts/bulk-processing", json={key: [42, 99]})).status_code == 409
    assert (await client.post("/v1/payouts/bulk-complete", json={key: [98, 99]})).status_code == 404


async def test_heldsway_requests(opened: Open) -> None:
    simulator = Simulator("heldsway")
    client = opened(simulator)
    approved = (await client.post("/v1/payouts/requests/10/approve")).json()["data"]
    payout = (await client.get(f"/v1/payouts/{approved['payout_id']}")).json()["data"]
    assert (approved["status"], payout["status"], payout["amount"]) == (
        "approved",
        "pending",
        approved["amount"],
    )
    assert (await client.post("/v1/payouts/requests/10/approve")).status_code == 409
    assert (await client.post("/v1/payouts/requests/13/reject", json={"reason": "no"})).status_code == 200
    assert (await client.post("/v1/payouts/requests/42/reject")).status_code == 404
    assert len(simulator.state.payouts) == 13


async def test_heldsway_pages(opened: Open) -> None:
    client = opened(Simulator("heldsway"))
    seen: list[int] = []
    for page in (1, 2, 3):
        data = (await client.get("/v1/payouts", params={"page": page, "per_page": 5})).json()["data"]
        assert data["meta"] == {"current_page": page, "per_page": 5, "total": 12, "last_page": 3}
        seen += [payout["id"] for payout in data["items"]]
    assert seen == list(range(52, 40, -1))
    pending = (await client.get("/v1/payouts?status=pending&from=2026-11-01&to=2026-11-01")).json()["data"]
    assert pending["meta"]["total"] == 5
    assert (await client.get("/v1/payouts?from=2026-11-02")).json()["data"]["items"] == []


async def test_heldsway_figures_have_two_digits(opened: Open) -> None:
    simulator = Simulator("heldsway", clock=fixed_clock)
    reply = await opened(simulator).get("/v1/payouts/stats")
    pending = [p for p in _payouts(simulator).values() if p["status"] == "pending"]
    total = sum((p["amount"] for p in pending), Decimal())
    assert f'"total_pending_amount":{total}' in reply.text
    assert '"completed_this_month":3400.00' in reply.text
    assert reply.json()["data"]["pending_requests_count"] == 2


async def test_heldsway_settings_are_merged(opened: Open) -> None:
    client = opened(Simulator("heldsway"))
    changed = (await client.put("/v1/settings/payouts", json={"min_payout": 75.5})).json()["data"]
    assert (changed["min_payout"], changed["payout_day"]) == (75.5, 1)
    assert (await client.get("/v1/settings/payouts")).json()["data"] == changed


async def test_heldsway_files(opened: Open) -> None:
    client = opened(Simulator("heldsway"))
    sheet = (await client.get("/v1/payouts/export")).text.splitlines()
    assert len(sheet) == 13
    assert sheet[2].startswith("42,pending,")
    assert "1250.00" in sheet[2]
    document = (await client.get("/v1/payouts/42/statement")).content
    assert document.startswith(b"%PDF-1.4")
    at = int(document.split(b"startxref\n")[1].split(b"\n")[0])
    assert document[at:].startswith(b"xref")


# tokenio


async def _order(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    reply = await client.post("/payouts", json={"initiation": {**ORDER["initiation"], **fields}})
    assert reply.status_code == 200, reply.text
    payout: dict[str, Any] = reply.json()["payout"]
    return payout


async def test_tokenio_pays_again(opened: Open) -> None:
    simulator = Simulator("tokenio")
    client = opened(simulator)
    first, second = await _order(client), await _order(client)
    assert first["id"] != second["id"]
    found = (await client.get("/payouts?limit=10&refIds=order-1")).json()["payouts"]
    assert [payout["id"] for payout in found] == [first["id"], second["id"]]
    entries = simulator.log.executed("create_payout")
    assert [(e.reference, e.amount, e.currency, e.payee) for e in entries] == [
        ("order-1", "10.23", "GBP", "Test Person One")
    ] * 2


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("Test Person One", "INITIATION_COMPLETED"),
        ("Test Rejected", "INITIATION_REJECTED"),
        ("Test Failed", "INITIATION_FAILED"),
        ("Test Stuck", "INITIATION_PROCESSING"),
    ],
)
async def test_tokenio_moves_with_the_clock(name: str, end: str, opened: Open) -> None:
    simulator = Simulator("tokenio")
    client = opened(simulator)
    made = await _order(client, creditor={**ORDER["initiation"]["creditor"], "name": name})
    seen = []
    for seconds in (0, 5, 55):
        simulator.advance(seconds)
        seen.append((await client.get(f"/payouts/{made['id']}")).json()["payout"]["status"])
    assert seen == ["INITIATION_PENDING", "INITIATION_PROCESSING", end]


async def test_tokenio_forgets_the_particulars_of_the_status_before() -> None:
    simulator = Simulator("tokenio")
    simulator.advance(id="po:test0004:sim", status="INITIATION_COMPLETED")
    payout = _payouts(simulator)["po:test0004:sim"]
    assert payout["bankPaymentStatus"] == "ACPC"
    assert "statusReasonInformation" not in payout


async def test_tokenio_does_not_show_on_whose_behalf(opened: Open) -> None:
    client = opened(Simulator("tokenio"))
    made = await _order(client, onBehalfOfId="tpp-1", unheard="x")
    assert made["initiation"].keys() == {"refId", "description", "amount", "debtor", "creditor"}
    found = (await client.get("/payouts?limit=10&onBehalfOfId=tpp-1")).json()["payouts"]
    assert [payout["id"] for payout in found] == [made["id"]]


async def test_tokenio_pages_and_filters(opened: Open) -> None:
    simulator = Simulator("tokenio")
    client = opened(simulator)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 5}
    while True:
        page = (await client.get("/payouts", params=query)).json()
        seen += [payout["id"] for payout in page["payouts"]]
        if len(page["payouts"]) < 5:
            break
        query["offset"] = page["paging"]["offset"]
        await _order(client)
    assert seen == [record.id for record in simulator.state.payouts]

    async def ids(query: str) -> int:
        return len((await client.get(f"/payouts?limit=200&{query}")).json()["payouts"])

    assert await ids("ids=po:test0001:sim&ids=po:test0002:sim") == 2
    assert await ids("ids=po:test0001:sim&invertIds=true") == len(simulator.state.payouts) - 1
    assert await ids("statuses=INITIATION_FAILED&statuses=INITIATION_REJECTED") == 4
    assert await ids("startDate=2026-11-02&endDate=2026-11-02") == 12
    assert await ids("endDate=2026-11-01") == 0
