"""Bulk marks: many ids, an outcome for every one of them, each executed once."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.bulk import PART
from gateway.api.problems import PREFIX
from gateway.engine.intent import Intent
from gateway.store.interface import Accepted, JournalUnavailable
from tests.api.conftest import config_of, problem
from tests.api.test_operations_reached import bulk_stack
from tests.conftest import Stack, four_simulators, stack_of

pytestmark = pytest.mark.anyio
PROCESS = "/v1/payouts/bulk/process"


async def bulk(stack: Stack, action: str, ids: list[str], key: str = "key-1", **more: Any) -> httpx.Response:
    return await stack.write("POST", f"/v1/payouts/bulk/{action}", {"ids": ids, **more}, key)


def outcomes(answer: httpx.Response) -> dict[str, tuple[str, str | None]]:
    """Each id's state, and the problem that it met."""
    assert answer.status_code == 200, answer.text
    return {
        item["id"]: (item["state"], item["error"]["type"].removeprefix(PREFIX) if item["error"] else None)
        for item in answer.json()["data"]
    }


MIXED = {
    "sway:42": ("succeeded", None),
    "promo:2710287": ("succeeded", None),
    "sway:46": ("rejected", "conflict"),
    "sway:9999": ("rejected", "payout_not_found"),
    "promo:9999": ("rejected", "payout_not_found"),
    "aff:po_test_0001": ("refused", "not_offered"),
    "sway:..": ("refused", "field_refused"),
    "nowhere:1": ("refused", "unknown_connection"),
    "42": ("refused", "payout_not_found"),
    "sway:43": ("succeeded", None),
}


async def test_each_id_has_its_own_outcome_in_the_callers_order(stack: Stack) -> None:
    answer = await bulk(stack, "process", list(MIXED))
    assert list(outcomes(answer).items()) == list(MIXED.items())
    for item in answer.json()["data"]:
        assert (item["operation"] is None) == (item["state"] == "refused")
        assert (item["payout"] is None) == (item["state"] != "succeeded")
    assert sorted(id for entry in await stack.executed("sway") for id in entry["ids"]) == ["42", "43"]
    listed = (await stack.call.get("/v1/operations")).json()["data"]
    assert len(listed) == sum(state != "refused" for state, _ in MIXED.values())


async def test_a_replay_answers_the_same_and_sends_nothing(stack: Stack) -> None:
    ids = ["sway:42", "promo:2710287", "sway:46"]
    first = await bulk(stack, "complete", ids, reference="TXN-1")
    again = await bulk(stack, "complete", ids, reference="TXN-1")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    assert len(await stack.executed("sway")) + len(await stack.executed("promo")) == 2


async def test_a_key_belongs_to_one_list(stack: Stack) -> None:
    await bulk(stack, "process", ["sway:42"])
    for ids, more in ((["sway:42", "sway:43"], {}), (["sway:43"], {}), (["sway:42"], {"notes": "x"})):
        problem(await bulk(stack, "process", ids, **more), "idempotency_key_reused")
    problem(await bulk(stack, "complete", ["sway:42"]), "idempotency_key_reused")
    problem(await stack.write("POST", "/v1/payouts/sway:42/complete", {}), "idempotency_key_reused")
    assert len(await stack.executed("sway")) == 1


async def test_one_by_one_the_reference_and_notes_travel_along(stack: Stack) -> None:
    answer = await bulk(stack, "complete", ["sway:42", "sway:44"], reference="TXN-1", notes="Paid")
    assert {tuple(item["operation"]["carried"]) for item in answer.json()["data"]} == {("reference", "notes")}
    assert [entry["reference"] for entry in await stack.executed("sway", "complete_payout")] == ["TXN-1", "TXN-1"]


async def test_the_ledger_completes_in_bulk_only_with_a_reference(stack: Stack) -> None:
    ids = ["aff:po_test_0002", "aff:po_test_0006"]
    refused = outcomes(await bulk(stack, "complete", ids, "key-1"))
    assert refused == dict.fromkeys(ids, ("refused", "field_refused"))
    done = outcomes(await bulk(stack, "complete", ids, "key-2", reference="TXN-1"))
    assert done == dict.fromkeys(ids, ("succeeded", None))


async def test_a_hundred_payouts_are_marked_once_each(stack: Stack) -> None:
    ids = await seeded(stack, 100)
    assert set(outcomes(await bulk(stack, "complete", ids)).values()) == {("succeeded", None)}
    assert marked(await stack.executed("promo")) == ids


async def seeded(stack: Stack, count: int) -> list[str]:
    """The ids of so many payouts at `promo` that can be completed."""
    sample = (await stack.control("promo", "GET", "state"))["payouts"][0]
    payouts = [{**sample, "id": 5_000 + number} for number in range(count)]
    await stack.control("promo", "POST", "seed", {"payouts": payouts})
    return [f"promo:{payout['id']}" for payout in payouts]


def marked(entries: list[dict[str, Any]]) -> list[str]:
    return sorted(f"promo:{id}" for entry in entries for id in entry["ids"])


def held_back(stack: Stack) -> asyncio.Semaphore:
    """Nothing of a bulk call is sent at `promo` until turns are released."""
    turns = stack.gateway.connections["promo"].turns = asyncio.Semaphore(0)
    return turns


async def test_what_waits_for_its_turn_waits_in_the_journal_alone(stack: Stack) -> None:
    ids, turns = await seeded(stack, 150), held_back(stack)
    answer = await stack.write("POST", PROCESS, {"ids": ids}, Prefer="respond-async")
    assert outcomes(answer) == dict.fromkeys(ids, ("accepted", None))
    assert stack.gateway.runner.tasks == {}
    leases = await stack.gateway.store.read(lambda tx: tx.execute("SELECT DISTINCT lease_until FROM operation"))
    assert [tuple(row) for row in leases] == [(None,)]  # whichever gateway has a turn may take it
    for _ in range(5):
        turns.release()
    stack.gateway.runner.look_now()
    assert outcomes(await bulk(stack, "process", ids)) == dict.fromkeys(ids, ("succeeded", None))
    assert marked(await stack.executed("promo")) == ids


class Counted:
    """A function, and how many calls of it were under way at once."""

    def __init__(self, work: Callable[[Any], Awaitable[Any]]) -> None:
        self.work, self.now, self.most = work, 0, 0

    async def __call__(self, given: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await self.work(given)
        finally:
            self.now -= 1


async def test_only_so_many_marks_are_under_way_at_once(stack: Stack) -> None:
    ids, turns = await seeded(stack, 60), held_back(stack)
    counted = Counted(stack.gateway.runner.resume)
    stack.gateway.runner.resume = counted  # type: ignore[method-assign]
    for _ in range(3):
        turns.release()
    assert set(outcomes(await bulk(stack, "process", ids)).values()) == {("succeeded", None)}
    assert counted.most == 3


async def test_other_callers_writes_come_between_the_parts_of_a_bulk_call(stack: Stack) -> None:
    ids, _ = await seeded(stack, 5 * PART), held_back(stack)
    counted = Counted(stack.gateway.store.write)
    stack.gateway.store.write = counted  # type: ignore[method-assign]
    await stack.write("POST", PROCESS, {"ids": ids}, Prefer="respond-async")
    assert PART <= counted.most <= PART + 1  # and the gateway's own look for what is due


async def test_the_next_gateway_finishes_what_a_dead_one_left(tmp_path: Path) -> None:
    async with four_simulators() as simulators:
        config = config_of(simulators, tmp_path)
        async with stack_of(config, simulators) as first:
            ids, _ = await seeded(first, 150), held_back(first)
            queue, taken = first.gateway.writer.queue, itertools.count()

            async def dying(intent: Intent) -> Accepted:
                if next(taken) >= 100:
                    raise JournalUnavailable("it dies")
                return await queue(intent)

            first.gateway.writer.queue = dying  # type: ignore[method-assign]
            answer = await first.write("POST", PROCESS, {"ids": ids}, Prefer="respond-async")
            assert Counter(state for state, _ in outcomes(answer).values()) == {"accepted": 100, "refused": 50}
        async with stack_of(config, simulators) as second:
            assert outcomes(await bulk(second, "process", ids)) == dict.fromkeys(ids, ("succeeded", None))
            assert marked(await second.executed("promo")) == ids


async def test_who_is_not_waited_for_is_followed_by_his_operation(stack: Stack) -> None:
    for _ in range(2):
        await stack.fault("sway", "delay", "mark_payout_processing", seconds=0.5)
    answer = await stack.write("POST", "/v1/payouts/bulk/process", {"ids": ["sway:42", "sway:43"]}, Prefer="wait=0")
    for item in answer.json()["data"]:
        assert item["state"] in ("accepted", "sending")
        shown = await stack.call.get(f"/v1/operations/{item['operation']['id']}")
        assert shown.json()["operation"]["payout_id"] == item["id"]
    later = await bulk(stack, "process", ["sway:42", "sway:43"])
    assert set(outcomes(later).values()) == {("succeeded", None)}


async def test_a_lost_answer_concerns_its_own_id_only(stack: Stack) -> None:
    await stack.fault("promo", "reset", "update_payout")
    answer = outcomes(await bulk(stack, "complete", ["promo:2710287", "promo:2710292", "sway:42"]))
    assert sorted(answer.values()) == [("succeeded", None), ("succeeded", None), ("unknown", None)]


async def test_the_providers_own_bulk_call_is_believed_only_by_id(tmp_path: Path) -> None:
    """It passes over what cannot be marked, and says nothing: each id is read afterwards."""
    async with bulk_stack(tmp_path) as stack:
        answer = outcomes(await bulk(stack, "process", ["sway:42", "sway:46", "sway:9999"]))
        assert answer["sway:42"] == ("succeeded", None)
        assert answer["sway:46"][0] not in ("succeeded", "rejected")
        assert answer["sway:9999"][0] not in ("succeeded", "rejected")
        assert len(await stack.executed("sway", "bulk_mark_processing")) == 1
        await bulk(stack, "process", ["sway:42", "sway:46", "sway:9999"])
        assert len(await stack.executed("sway")) == 1


async def test_a_bulk_call_never_names_a_payout_with_an_open_write(tmp_path: Path) -> None:
    async with bulk_stack(tmp_path) as stack:
        await stack.fault("sway", "delay", "fail_payout", seconds=0.5)
        await stack.write("POST", "/v1/payouts/sway:42/fail", {}, "key-0", Prefer="wait=0")
        answer = outcomes(await bulk(stack, "process", ["sway:42", "sway:43"]))
        assert answer == {"sway:42": ("refused", "payout_busy"), "sway:43": ("succeeded", None)}
        assert await stack.executed("sway", "bulk_mark_processing") == []
