"""What a mark may do, what the journal remembers of it, and what callers find there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import done, problem
from tests.conftest import Stack, order

pytestmark = pytest.mark.anyio


async def test_a_recorded_reference_stays(stack: Stack) -> None:
    for name, path in (("aff", "aff:po_test_0002"), ("promo", "promo:2710287"), ("sway", "sway:42")):
        first = await stack.write("POST", f"/v1/payouts/{path}/complete", {"reference": "TXN-1"}, f"{name}-1")
        other = await stack.write("POST", f"/v1/payouts/{path}/complete", {"reference": "TXN-2"}, f"{name}-2")
        assert done(first)["operation"]["id"] in problem(other, "contradicts_record")["detail"]
        assert len(await stack.executed(name)) == 1


async def test_marks_lead_forward_and_only_reopen_leads_back(stack: Stack) -> None:
    path = "/v1/payouts/promo:2710287"
    done(await stack.write("POST", f"{path}/complete", {}, "key-1"))
    problem(await stack.write("POST", f"{path}/process", {}, "key-2"), "contradicts_record")
    back = done(await stack.write("POST", f"{path}/reopen", {}, "key-3"))
    assert back["payout"]["status"] == "pending"
    done(await stack.write("POST", f"{path}/process", {}, "key-4"))
    again = done(await stack.write("POST", f"{path}/complete", {"reference": "TXN-2"}, "key-5"))
    assert again["payout"]["status"] == "completed"
    assert len(await stack.executed("promo")) == 4


async def test_an_operation_says_what_the_provider_took(stack: Stack) -> None:
    said = {"reference": "TXN-1", "notes": "Paid", "reason": "x"}
    carried = {
        "aff:po_test_0002/complete": ["reference"],
        "promo:2710287/complete": [],
        "sway:42/complete": ["reference", "notes"],
        "sway:43/fail": ["reason"],
        "sway:48/process": [],
    }
    for place, (path, taken) in enumerate(carried.items()):
        answer = done(await stack.write("POST", f"/v1/payouts/{path}", said, f"key-{place}"))
        assert answer["operation"]["carried"] == taken
        assert answer["operation"]["reference"] == "TXN-1"
    assert (await stack.executed("aff"))[0]["reference"] == "TXN-1"


async def test_a_mark_needs_no_body(stack: Stack) -> None:
    answer = await stack.call.post("/v1/payouts/sway:42/process", headers={"Idempotency-Key": "key-1"})
    assert done(answer)["payout"]["status"] == "processing"
    empty = await stack.write("POST", "/v1/payouts/sway:42/process", {})
    assert empty.headers["idempotent-replayed"] == "true"


async def test_euros_need_the_payees_verification(stack: Stack) -> None:
    payee = {"name": "Test Supplier", "iban": "DE89370400440532013000", "bic": "TESTDEFFXXX"}
    body = order(amount={"currency": "EUR", "minor_units": 1023}, payee=payee)
    problem(await stack.write("POST", "/v1/payouts", body), "field_refused", "/payee/verification_id")
    body["payee"] = payee | {"verification_id": "test-verification-1"}
    made = done(await stack.write("POST", "/v1/payouts", body), 201)
    assert made["payout"]["payee"] == {"name": "Test Supplier", "account": "…3000"}


@pytest.mark.parametrize(
    ("currency", "minor_units", "value"), [("JPY", 1023, "1023"), ("KWD", 1023, "1.023"), ("GBP", 5, "0.05")]
)
async def test_a_currency_has_its_own_number_of_digits(
    stack: Stack, currency: str, minor_units: int, value: str
) -> None:
    amount = {"currency": currency, "minor_units": minor_units}
    made = done(await stack.write("POST", "/v1/payouts", order(amount=amount)), 201)
    assert made["payout"]["amount"] == made["operation"]["amount"] == amount
    assert (await stack.executed("bank"))[0]["amount"] == value


async def test_a_payout_request_is_decided_once(stack: Stack) -> None:
    approved = done(await stack.write("POST", "/v1/payout-requests/sway:10/approve", {}, "key-1"))
    operation = approved["operation"]
    assert (operation["payout_request_id"], operation["payout_id"]) == ("sway:10", None)
    listed = (await stack.call.get("/v1/payout-requests?status=approved")).json()["data"]
    assert [(item["id"], item["payout_id"]) for item in listed] == [("sway:11", "sway:46"), ("sway:10", "sway:53")]
    problem(await stack.write("POST", "/v1/payout-requests/sway:10/reject", {}, "key-2"), "conflict")
    problem(await stack.write("POST", "/v1/payout-requests/sway:99/reject", {}, "key-3"), "payout_not_found")
    # A payout and a payout request may share a number: neither stands in the other's way.
    done(await stack.write("POST", "/v1/payout-requests/sway:13/reject", {"reason": "Too early"}, "key-4"))


async def test_settings_are_put_whole_and_read_back(stack: Stack) -> None:
    path = "/v1/connections/sway/settings"
    before = (await stack.call.get(path)).json()
    body = {key: value for key, value in before.items() if key not in ("connection", "provider")}
    body |= {"frequency": "weekly", "minimum": {"currency": "USD", "minor_units": 1999}}
    done(await stack.write("PUT", path, body))
    assert (await stack.call.get(path)).json() == before | body
    assert (await stack.control("sway", "GET", "state"))["settings"]["min_payout"] == 19.99
    for missing in body:
        part = {key: value for key, value in body.items() if key != missing}
        problem(await stack.write("PUT", path, part, "key-2"), "invalid_body", f"/{missing}")


async def test_operations_are_listed_newest_first_and_found_by_their_fields(stack: Stack) -> None:
    for place in range(5):
        done(await stack.write("POST", "/v1/payouts", order(f"invoice-{place}"), f"key-{place}"), 201)
    problem(await stack.write("POST", "/v1/payouts/sway:46/fail", {}, "key-9"), "conflict")

    async def listed(query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await stack.call.get(f"/v1/operations?{query}")).json()["data"]
        return found

    assert [item["reference"] for item in await listed("connection=bank")] == [f"invoice-{n}" for n in range(4, -1, -1)]
    assert [item["action"] for item in await listed("state=rejected")] == ["fail"]
    assert len(await listed("state=rejected&state=succeeded")) == 6
    assert [item["reference"] for item in await listed("reference=invoice-3&action=create")] == ["invoice-3"]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await stack.call.get(f"/v1/operations?limit=4{cursor}")).json()
        seen += [item["id"] for item in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == len(seen) == 6
