"""Several gateways over one database: what each believes, all of them hold."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from gateway.operation import Operation, State
from gateway.store.audit import Audit
from gateway.store.interface import (
    Accepted,
    DuplicateReference,
    KeyReused,
    PayoutBusy,
    Store,
    Transaction,
    WouldContradict,
)
from gateway.store.journal import accept, record
from gateway.store.opening import open_store
from tests.store.records import attempt, get, ids, mark, operation, put

pytestmark = pytest.mark.anyio
CLIENTS = 64


@pytest.fixture
async def stores(engine: str, journal_url: str) -> AsyncIterator[list[Store]]:
    """As many gateways as the engine allows on one journal."""
    opened = [open_store(journal_url) for _ in range(1 if engine == "sqlite" else 4)]
    yield opened
    for each in opened:
        await each.close()


@pytest.fixture
async def pair(postgres_url: str) -> AsyncIterator[tuple[Store, Store]]:
    first, second = open_store(postgres_url), open_store(postgres_url)
    yield first, second
    await first.close()
    await second.close()


async def rush(stores: list[Store], made: list[Operation]) -> list[Accepted | BaseException]:
    """All at once, spread over the gateways."""
    return await asyncio.gather(
        *(put(stores[number % len(stores)], each) for number, each in enumerate(made)), return_exceptions=True
    )


def fresh(results: list[Accepted | BaseException]) -> list[Accepted]:
    return [result for result in results if isinstance(result, Accepted) and not result.replayed]


async def test_64_clients_with_one_key_make_one_operation(stores: list[Store]) -> None:
    winners = set()
    for key in ("one", "two", "three", "four", "five"):
        results = await rush(stores, [operation(key=key, reference=key) for _ in range(CLIENTS)])
        accepted = [result for result in results if isinstance(result, Accepted)]
        assert len(accepted) == CLIENTS
        [winner] = fresh(results)
        assert {result.operation.id for result in accepted} == {winner.operation.id}
        winners.add(winner.operation.id)
    assert await ids(stores[0]) == winners


async def test_one_key_with_64_requests_accepts_one_and_refuses_the_others(stores: list[Store]) -> None:
    results = await rush(stores, [operation(key="one", fingerprint=str(number)) for number in range(CLIENTS)])
    [winner] = fresh(results)
    refused = [result for result in results if isinstance(result, KeyReused)]
    assert len(refused) == CLIENTS - 1
    assert {each.operation for each in refused} == {winner.operation.id}


async def test_64_keys_with_one_reference_make_one_operation(stores: list[Store]) -> None:
    results = await rush(stores, [operation(reference="one") for _ in range(CLIENTS)])
    assert len(fresh(results)) == 1
    assert len([result for result in results if isinstance(result, DuplicateReference)]) == CLIENTS - 1


async def test_64_writes_of_one_payout_leave_one_open(stores: list[Store]) -> None:
    results = await rush(stores, [mark() for _ in range(CLIENTS)])
    assert len(fresh(results)) == 1
    assert len([result for result in results if isinstance(result, PayoutBusy)]) == CLIENTS - 1


class Held:
    """A transaction that stays open until it is let go."""

    def __init__(self, store: Store, work: Callable[[Transaction], Any], fails: bool = False) -> None:
        self.done, self.go = threading.Event(), threading.Event()

        def run(tx: Transaction) -> None:
            work(tx)
            self.done.set()
            self.go.wait(10)
            if fails:
                raise ZeroDivisionError

        self.task = asyncio.ensure_future(store.write(run))

    async def reached(self) -> None:
        assert await asyncio.to_thread(self.done.wait, 5)


async def test_a_key_that_another_gateway_is_accepting_is_waited_for_and_then_seen(pair: tuple[Store, Store]) -> None:
    first, second = operation(), operation()
    second = msgspec.structs.replace(second, key=first.key)
    held = Held(pair[0], lambda tx: accept(tx, first, attempt(first)))
    await held.reached()
    waiting = asyncio.ensure_future(put(pair[1], second))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    held.go.set()
    await held.task
    assert await waiting == Accepted(first, replayed=True)


async def test_a_key_whose_first_acceptance_fails_goes_to_the_second(pair: tuple[Store, Store]) -> None:
    first = operation()
    second = operation(key=first.key)
    held = Held(pair[0], lambda tx: accept(tx, first, None), fails=True)
    await held.reached()
    waiting = asyncio.ensure_future(put(pair[1], second))
    await asyncio.sleep(0.02)
    held.go.set()
    with pytest.raises(ZeroDivisionError):
        await held.task
    assert (await waiting).operation.id == second.id
    assert await ids(pair[0]) == {second.id}


async def test_a_mark_cannot_slip_past_one_that_is_just_succeeding(pair: tuple[Store, Store]) -> None:
    first = mark(reference="paid-1")
    await put(pair[0], first)
    succeeded = msgspec.structs.replace(first, state=State.SUCCEEDED)
    held = Held(pair[0], lambda tx: record(tx, succeeded, None, None))
    await held.reached()
    waiting = asyncio.ensure_future(put(pair[1], mark(action="process")))
    await asyncio.sleep(0.05)
    held.go.set()
    assert await held.task is None
    with pytest.raises(WouldContradict):
        await waiting
    assert await ids(pair[0]) == {first.id}


async def test_a_deadlock_between_gateways_costs_neither_its_write(pair: tuple[Store, Store]) -> None:
    made = [operation(), operation()]
    for each in made:
        await put(pair[0], each)
    meeting = threading.Barrier(2)

    def both(order: list[Operation], word: str) -> Callable[[Transaction], None]:
        met = []

        def work(tx: Transaction) -> None:
            for each in order:
                tx.execute("UPDATE operation SET detail = COALESCE(detail, '') || ? WHERE id = ?", (word, each.id))
                if not met:
                    met.append(True)
                    meeting.wait(5)

        return work

    await asyncio.gather(pair[0].write(both(made, "a")), pair[1].write(both(made[::-1], "b")))
    for each in made:
        final = await get(pair[0], each)
        assert final is not None
        assert sorted(final.detail or "") == ["a", "b"]


async def test_writes_of_many_tenants_do_not_stand_in_each_others_way(pair: tuple[Store, Store]) -> None:
    """The writes of a tenant share its chain head: batches that lock several heads in any order would deadlock."""
    audit = Audit()
    chance = random.Random(7)  # noqa: S311
    made = [operation(tenant=f"tenant-{chance.randrange(4)}") for _ in range(400)]

    def work(wanted: Operation) -> Callable[[Transaction], None]:
        def accepting(tx: Transaction) -> None:
            accept(tx, wanted, attempt(wanted))
            audit.append(tx, wanted, wanted.maker, "accepted")

        return accepting

    await asyncio.gather(*(pair[number % 2].write(work(each)) for number, each in enumerate(made)))
    count, broken = await pair[0].read(audit.verify)
    assert (count, broken) == (400, [])


async def test_a_paused_gateway_cannot_hold_its_locks_for_long(postgres_url: str) -> None:
    store = open_store(postgres_url)
    seen = await store.write(
        lambda tx: [
            tx.execute(f"SHOW {name}")[0][0] for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        ]
    )
    assert seen == ["10s", "5s"]
    await store.close()
