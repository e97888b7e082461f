"""Claims: by the database's clock, never two owners at once, and what was being sent is never queued again."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from gateway.operation import Operation, State, Step
from gateway.store.interface import Store
from gateway.store.journal import now, record
from gateway.store.leases import Claimed, claim_due, free, leased
from gateway.store.opening import open_store
from tests.store.records import get, operation, put

pytestmark = pytest.mark.anyio

MINUTE = 60_000
CONNECTIONS = ("bank", "desk")


def waiting(**changes: object) -> Operation:
    return operation(**({"state": State.UNKNOWN, "step": Step.LOOK_UP, "due_at": 1} | changes))


async def claimed(store: Store, owner: str = "a", limit: int = 10, lease_ms: int = MINUTE) -> list[Claimed]:
    return await store.write(lambda tx: claim_due(tx, owner, limit, lease_ms, CONNECTIONS))


async def test_the_databases_clock_is_read_in_milliseconds(store: Store) -> None:
    before = time.time() * 1000
    seen = await store.read(now)
    assert before - 1000 < seen < time.time() * 1000 + 1000
    assert isinstance(seen, int)


async def test_what_is_due_is_taken_with_a_lease_and_a_new_fence(store: Store) -> None:
    wanted = waiting()
    await put(store, wanted)
    at = await store.read(now)
    [taken] = await claimed(store)
    assert taken.interrupted is False
    assert taken.operation.fence == 1
    assert taken.operation.lease_owner == "a"
    assert at + MINUTE <= (taken.operation.lease_until or 0) <= at + MINUTE + 5000
    assert await get(store, wanted) == taken.operation


async def test_a_connection_that_this_gateway_does_not_have_is_left_to_others(store: Store) -> None:
    foreign = waiting(connection="elsewhere")
    await put(store, foreign)
    assert await claimed(store) == []
    assert (await get(store, foreign)).lease_owner is None


async def test_a_dead_send_is_recorded_whoever_has_its_connection(store: Store) -> None:
    await put(store, waiting(connection="elsewhere", state=State.SENDING, step=None, due_at=None))
    [taken] = await claimed(store)
    assert taken.interrupted


async def test_what_is_not_due_stays(store: Store) -> None:
    await put(store, waiting(due_at=2**41))
    await put(store, waiting(due_at=None))
    assert await claimed(store) == []


async def test_a_lease_keeps_others_away_until_it_ends(store: Store) -> None:
    await put(store, waiting())
    [first] = await claimed(store, "a", lease_ms=400)
    assert await claimed(store, "b") == []
    while await store.read(now) < (first.operation.lease_until or 0):
        await asyncio.sleep(0.005)
    [second] = await claimed(store, "b")
    assert second.operation.lease_owner == "b"
    assert second.operation.fence == 2
    assert not await store.write(lambda tx: record(tx, first.operation, None, None))


async def test_the_longest_overdue_come_first_up_to_the_limit(store: Store) -> None:
    made = [waiting(due_at=due) for due in (30, 10, 20)]
    for each in made:
        await put(store, each)
    assert [each.operation.id for each in await claimed(store, limit=2)] == [made[1].id, made[2].id]
    assert [each.operation.id for each in await claimed(store, limit=2)] == [made[0].id]


async def test_a_send_with_an_expired_lease_comes_back_marked_as_interrupted(store: Store) -> None:
    wanted = operation()
    sending = await store.write(lambda tx: leased(tx, wanted, "dead", -1))
    await put(store, sending)
    [taken] = await claimed(store, "b")
    assert taken.interrupted is True
    assert taken.operation.state is State.SENDING
    assert taken.operation.fence == 1


async def test_a_send_within_its_lease_is_left_alone(store: Store) -> None:
    wanted = operation(due_at=1)
    await put(store, await store.write(lambda tx: leased(tx, wanted, "alive", MINUTE)))
    assert await claimed(store, "b") == []


async def test_a_send_that_never_had_a_lease_cannot_be_stuck(store: Store) -> None:
    await put(store, operation())
    assert [each.interrupted for each in await claimed(store)] == [True]


async def test_what_comes_to_rest_gives_its_lease_back(store: Store) -> None:
    await put(store, waiting())
    [taken] = await claimed(store)
    resting = free(msgspec.structs.replace(taken.operation, state=State.NEEDS_REVIEW))
    assert await store.write(lambda tx: record(tx, resting, None, None))
    assert [each.operation.lease_owner for each in await claimed(store, "b")] == ["b"]


async def test_two_owners_never_get_the_same_operation(postgres_url: str) -> None:
    stores = [open_store(postgres_url) for _ in range(3)]
    made = [waiting() for _ in range(150)]
    await asyncio.gather(*(put(stores[0], each) for each in made))

    async def drain(number: int) -> list[str]:
        mine: list[str] = []
        while taken := await claimed(stores[number], f"owner-{number}", limit=7):
            mine += [each.operation.id for each in taken]
        return mine

    shares = await asyncio.gather(*(drain(number) for number in range(3)))
    everything = [id for share in shares for id in share]
    # A last round: what another transaction had locked was passed over, and is free again or taken by now.
    everything += [each.operation.id for each in await claimed(stores[0], "last", limit=150)]
    assert sorted(everything) == sorted(each.id for each in made)
    for each in stores:
        await each.close()


async def test_a_row_that_another_gateway_is_taking_is_passed_over_not_waited_for(postgres_url: str) -> None:
    import psycopg

    store = open_store(postgres_url)
    held, free_one = waiting(due_at=1), waiting(due_at=2)
    await put(store, held)
    await put(store, free_one)
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT id FROM operation WHERE id = %s FOR UPDATE", (held.id,))
        taken = await asyncio.wait_for(claimed(store, limit=1), 4)
    assert [each.operation.id for each in taken] == [free_one.id]
    await store.close()
