"""Limits: over one, a write is refused and nothing is recorded; what proves unexecuted is free again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.store.interface import Transaction
from gateway.store.limits import DAY
from tests.api.conftest import done, later, problem
from tests.api.limited import OTHER, gbp, limited, of_connection, of_key, paid, pay
from tests.conftest import Stack, order

pytestmark = pytest.mark.anyio

IBAN = "GB29NWBK60161331926819"  # the account that the other orders name by number and sort code


async def refused(stack: Stack, kind: str, number: int, minor_units: int, **payee: str) -> dict[str, Any]:
    """The limit that refuses a payout of which then nothing is known."""
    before = (await stack.call.get("/v1/operations")).json()["data"]
    sent = await stack.executed("bank")
    answer = await pay(stack, number, minor_units, **payee)
    limit: dict[str, Any] = problem(answer, kind)["limit"]
    assert (await stack.call.get("/v1/operations")).json()["data"] == before
    assert await stack.executed("bank") == sent
    assert ("retry-after" in answer.headers) == (limit["frees_at"] is not None) == (kind == "limit_reached")
    return limit


async def test_the_amount_of_a_payout_is_allowed_up_to_the_limit_and_refused_beyond(tmp_path: Path) -> None:
    async with limited(tmp_path, of_connection("bank", amounts=gbp(per_payout=1000))) as (stack,):
        done(await pay(stack, 1, 1000), 201)
        limit = await refused(stack, "over_limit", 2, 1001)
        assert limit == {
            "limit": "per_payout",
            "of": "connection bank",
            "currency": "GBP",
            "most": 1000,
            "left": 1000,
            "frees_at": None,
        }


async def test_the_refusal_says_what_is_allowed_left_and_asked(tmp_path: Path) -> None:
    day = of_connection("bank", amounts=gbp(per_day=1000), rate={"per_minute": 0.01, "burst": 2})
    async with limited(tmp_path, day) as (stack,):
        done(await pay(stack, 1, 400), 201)
        told = problem(await pay(stack, 2, 601), "limit_reached")["detail"]
        assert told == "per_day of connection bank is 10.00 GBP, of which 6.00 GBP is left; this asks for 6.01 GBP"
        told = problem(await pay(stack, 3, 1), "limit_reached")["detail"]
        assert told == "rate of connection bank is 0.01 per minute, burst 2, and all of it is taken"


@pytest.mark.parametrize(
    "limits", [of_connection("bank", amounts=gbp(per_day=1000)), of_key("everything", amounts=gbp(per_day=1000))]
)
async def test_a_day_has_so_much_and_the_refusal_says_what_is_left(tmp_path: Path, limits: Any) -> None:
    async with limited(tmp_path, limits) as (stack,):
        done(await pay(stack, 1, 400), 201)
        limit = await refused(stack, "limit_reached", 2, 601)
        assert (limit["limit"], limit["most"], limit["left"]) == ("per_day", 1000, 600)
        assert limit["frees_at"].endswith("T00:00:00.000Z")
        done(await pay(stack, 3, 600), 201)
        assert (await refused(stack, "limit_reached", 4, 1))["left"] == 0
        assert (await refused(stack, "over_limit", 5, 1001))["limit"] == "per_day"
        assert await paid(stack) == 1000


async def test_a_refused_payout_goes_with_the_same_key_once_there_is_room(tmp_path: Path) -> None:
    async with limited(tmp_path, of_connection("bank", amounts=gbp(per_day=1000))) as (stack,):
        done(await pay(stack, 1, 1000), 201)
        await refused(stack, "limit_reached", 2, 1)

        def yesterday(tx: Transaction) -> None:
            tx.execute("UPDATE operation SET accepted_at = accepted_at - ?", (DAY,))

        await stack.gateway.store.write(yesterday)
        done(await pay(stack, 2, 1), 201)


async def test_a_payee_is_an_account_by_whatever_name_and_form(tmp_path: Path) -> None:
    async with limited(tmp_path, of_connection("bank", amounts=gbp(per_payee_day=1000))) as (stack,):
        done(await pay(stack, 1, 900), 201)
        assert (await refused(stack, "limit_reached", 2, 101, name="Another Name"))["limit"] == "per_payee_day"
        body = order("invoice-3", amount={"currency": "GBP", "minor_units": 101}, payee={"name": "Same", "iban": IBAN})
        limit = problem(await stack.write("POST", "/v1/payouts", body, "key-3"), "limit_reached")["limit"]
        assert (limit["limit"], limit["left"]) == ("per_payee_day", 100)
        done(await pay(stack, 4, 1000, account_number="31926820"), 201)


async def test_a_key_has_its_own_limits_and_shares_its_connections(tmp_path: Path) -> None:
    limits = of_key("everything", amounts=gbp(per_day=500)), of_connection("bank", amounts=gbp(per_day=800))
    async with limited(tmp_path, *limits) as (stack,):
        done(await pay(stack, 1, 500), 201)
        assert problem(await pay(stack, 2, 1), "limit_reached")["limit"]["of"] == "key everything"
        done(await pay(stack, 3, 300, OTHER), 201)
        assert problem(await pay(stack, 4, 1, OTHER), "limit_reached")["limit"]["of"] == "connection bank"


async def test_a_currency_without_limits_is_refused_where_others_have_some(tmp_path: Path) -> None:
    async with limited(tmp_path, of_connection("bank", amounts={"EUR": {"per_day": 1000}})) as (stack,):
        limit = await refused(stack, "over_limit", 1, 1)
        assert (limit["limit"], limit["currency"]) == ("currency", "GBP")


async def test_a_replay_is_counted_once(tmp_path: Path) -> None:
    limits = {"amounts": gbp(per_day=1000), "rate": {"per_minute": 0.01, "burst": 2}, "concurrency": 1}
    async with limited(tmp_path, of_connection("bank", **limits)) as (stack,):
        done(await pay(stack, 1, 600), 201)
        for _ in range(3):
            assert (await pay(stack, 1, 600)).headers["idempotent-replayed"] == "true"
        done(await pay(stack, 2, 400), 201)
        done(await pay(stack, 2, 400), 201)
        assert await paid(stack) == 1000


async def test_what_was_rejected_is_free_again(tmp_path: Path) -> None:
    async with limited(tmp_path, of_connection("bank", amounts=gbp(per_day=1000))) as (stack,):
        await stack.fault("bank", "status", "create_payout", status=400)
        problem(await pay(stack, 1, 1000), "refused_by_provider")
        done(await pay(stack, 2, 1000), 201)


async def test_what_was_cancelled_or_has_expired_is_free_again(tmp_path: Path) -> None:
    async with limited(tmp_path, of_connection("bank", amounts=gbp(per_day=1000))) as (stack,):
        upstream = stack.gateway.connections["bank"].upstream
        base, upstream.base_url = upstream.base_url, "http://127.0.0.1:1"
        cancelled = done(await pay(stack, 1, 1000), 202, "accepted")["operation"]["id"]
        await refused(stack, "limit_reached", 2, 1)
        assert (await stack.call.post(f"/v1/operations/{cancelled}/cancel")).status_code == 200
        expires = done(await pay(stack, 3, 1000), 202, "accepted")["operation"]["id"]
        await refused(stack, "limit_reached", 4, 1)
        assert (await later(stack, expires, 25 * 3600))["operation"]["state"] == "expired"
        upstream.base_url = base
        done(await pay(stack, 5, 1000), 201)
        assert await paid(stack) == 1000


async def test_what_may_have_been_executed_stays_counted_whatever_people_say(tmp_path: Path) -> None:
    async with limited(tmp_path, of_connection("bank", amounts=gbp(per_day=1000))) as (stack,):
        await stack.fault("bank", "reset", "create_payout", when="before")
        id = done(await pay(stack, 1, 1000), 202, "unknown")["operation"]["id"]
        assert (await refused(stack, "limit_reached", 2, 1))["left"] == 0
        assert (await later(stack, id))["operation"]["state"] == "needs_review"
        await put_back(stack, id)
        await refused(stack, "limit_reached", 3, 1)
        verdict = {"verdict": "executed", "note": "seen on the statement"}
        assert (await stack.call.post(f"/v1/operations/{id}/close", json=verdict, headers=OTHER)).status_code == 200
        await refused(stack, "limit_reached", 4, 1)


async def put_back(stack: Stack, id: str) -> None:
    """`later` made it older than today; it counts by when it was accepted."""

    def today(tx: Transaction) -> None:
        tx.execute(f"UPDATE operation SET accepted_at = {tx.dialect.now} WHERE id = ?", (id,))  # noqa: S608

    await stack.gateway.store.write(today)


async def test_a_released_send_is_counted_once(tmp_path: Path) -> None:
    async with limited(tmp_path, of_connection("bank", amounts=gbp(per_day=1000))) as (stack,):
        await stack.fault("bank", "reset", "create_payout", when="before")
        id = done(await pay(stack, 1, 600), 202, "unknown")["operation"]["id"]
        assert (await later(stack, id))["operation"]["state"] == "needs_review"
        await put_back(stack, id)
        done(await stack.call.post(f"/v1/operations/{id}/release", headers=OTHER))
        done(await pay(stack, 2, 400), 201)
        assert await paid(stack) == 1000


async def test_writes_are_taken_at_the_rate_and_no_faster(tmp_path: Path) -> None:
    async with limited(tmp_path, of_key("everything", rate={"per_minute": 0.01, "burst": 2})) as (stack,):
        done(await pay(stack, 1, 1), 201)
        done(await stack.write("POST", "/v1/payouts/sway:42/complete", {"reference": "TXN-1"}, "mark-1"))
        limit = await refused(stack, "limit_reached", 3, 1)
        assert (limit["limit"], limit["of"], limit["most"]) == ("rate", "key everything", 0.01)
        assert (await stack.call.get("/v1/payouts?connection=bank")).status_code == 200
        done(await pay(stack, 4, 1, OTHER), 201)


async def test_a_bulk_call_takes_a_place_for_each_id_and_no_amount(tmp_path: Path) -> None:
    limits = {"rate": {"per_minute": 0.01, "burst": 1}, "amounts": {"USD": {"per_payout": 1}}}
    async with limited(tmp_path, of_key("everything", **limits)) as (stack,):
        body = {"ids": ["sway:42", "sway:43"]}
        first, second = (await stack.write("POST", "/v1/payouts/bulk/process", body)).json()["data"]
        assert {first["state"], second["state"]} == {"succeeded", "refused"}
        error = first["error"] or second["error"]
        assert error["type"].endswith("limit_reached") and error["limit"]["limit"] == "rate"
        assert len(await stack.executed("sway")) == 1


async def test_so_many_writes_are_under_way_and_no_more(tmp_path: Path) -> None:
    async with limited(tmp_path, of_connection("sway", concurrency=1)) as (stack,):
        await stack.fault("sway", "delay", "complete_payout", seconds=0.5)
        mark = {"reference": "TXN-1"}
        waiting = await stack.write("POST", "/v1/payouts/sway:42/complete", mark, "key-1", Prefer="respond-async")
        assert waiting.status_code == 202
        answer = await stack.write("POST", "/v1/payouts/sway:44/complete", mark, "key-2")
        assert problem(answer, "limit_reached")["limit"]["limit"] == "concurrency"
        done(await stack.write("POST", "/v1/payouts/sway:42/complete", mark, "key-1"))
        done(await stack.write("POST", "/v1/payouts/sway:44/complete", mark, "key-2"))
