"""The journal's statements mean the same on both engines."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.operation import State, Step
from gateway.store.interface import (
    Accepted,
    DuplicateReference,
    KeyReused,
    PayoutBusy,
    StatementRefused,
    Store,
    WouldContradict,
)
from gateway.store.journal import add_attempt, claim, observe, record
from gateway.store.questions import attempts_of, known_references, last_observation, list_operations
from providers.sdk import Effect
from tests.store.records import TENANT, attempt, get, ids, mark, observation, operation, payout, put

pytestmark = pytest.mark.anyio


async def test_an_accepted_operation_reads_back_as_it_was(store: Store) -> None:
    wanted = operation(
        payout=payout(), due_at=5, step=Step.LOOK_UP, acknowledged=True, lease_owner="gateway-1", lease_until=2**41
    )
    accepted = await put(store, wanted)
    assert accepted.replayed is False
    assert await get(store, wanted) == wanted
    assert await store.read(lambda tx: attempts_of(tx, wanted.id)) == [attempt(wanted)]


async def test_a_foreign_tenant_finds_nothing(store: Store) -> None:
    wanted = operation()
    await put(store, wanted)
    assert await get(store, msgspec.structs.replace(wanted, tenant="other")) is None


async def test_the_same_key_and_request_is_a_replay_of_the_first(store: Store) -> None:
    first = operation()
    await put(store, first)
    again = await put(store, operation(key=first.key))
    assert again.replayed is True
    assert again.operation == first
    assert await ids(store) == {first.id}


async def test_the_same_key_with_another_request_is_refused_naming_the_first(store: Store) -> None:
    first = operation()
    await put(store, first)
    with pytest.raises(KeyReused) as refused:
        await put(store, operation(key=first.key, fingerprint="another"))
    assert refused.value.operation == first.id


async def test_another_tenant_may_use_the_same_key(store: Store) -> None:
    first = operation()
    await put(store, first)
    assert (await put(store, operation(key=first.key, tenant="other"))).replayed is False


async def test_a_reference_is_taken_once_and_freed_by_a_rejection(store: Store) -> None:
    first = operation()
    await put(store, first)
    second = operation(reference=first.reference)
    with pytest.raises(DuplicateReference) as refused:
        await put(store, second)
    assert refused.value.operation.id == first.id
    rejected = msgspec.structs.replace(first, state=State.REJECTED)
    assert await store.write(lambda tx: record(tx, rejected, None, None))
    assert (await put(store, second)).replayed is False


async def test_a_rejection_that_proves_wrong_takes_its_reference_again(store: Store) -> None:
    first = operation()
    await put(store, first)
    for fence, state in enumerate((State.REJECTED, State.SUCCEEDED)):
        changed = msgspec.structs.replace(first, state=state, fence=fence)
        assert await store.write(lambda tx, changed=changed: record(tx, changed, None, None))  # type: ignore[misc]
    with pytest.raises(DuplicateReference):
        await put(store, operation(reference=first.reference))


@pytest.mark.parametrize(
    "changes",
    [
        {"connection": "reserve", "provider_reference": "other", "effect": Effect.GUARDED},
        {"accepted_at": 1_800_000_000_001},
        {"provider_reference": "other"},
        {"state": State.CANCELLED},
        {"state": State.SUCCEEDED, "target": "po:1:2", "payout": payout()},
    ],
)
async def test_whatever_changes_is_recorded_once(store: Store, changes: dict[str, Any]) -> None:
    wanted = operation()
    await put(store, wanted)
    changed = msgspec.structs.replace(wanted, **changes)
    assert await store.write(lambda tx: record(tx, changed, None, None))
    assert await get(store, wanted) == msgspec.structs.replace(changed, fence=1)
    assert not await store.write(lambda tx: record(tx, changed, None, None))


async def test_a_replay_is_answered_whatever_has_become_of_the_payout_since(store: Store) -> None:
    first = mark(action="process", state=State.SUCCEEDED)
    await put(store, first)
    await put(store, mark(state=State.SUCCEEDED))
    assert await put(store, mark(action="process", key=first.key)) == Accepted(first, replayed=True)


@pytest.mark.parametrize("state", [State.ACCEPTED, State.SENDING, State.UNKNOWN, State.NEEDS_REVIEW])
async def test_a_payout_has_one_open_write_across_tenants(store: Store, state: State) -> None:
    first = mark(state=state)
    await put(store, first)
    with pytest.raises(PayoutBusy) as busy:
        await put(store, mark(tenant="other"))
    assert busy.value.operation.id == first.id


async def test_a_second_completion_with_another_reference_is_refused(store: Store) -> None:
    await put(store, mark(state=State.SUCCEEDED, reference="paid-1"))
    with pytest.raises(WouldContradict):
        await put(store, mark(reference="paid-2"))
    with pytest.raises(WouldContradict):
        await put(store, mark(action="process"))
    assert (await put(store, mark(reference="paid-1"))).replayed is False


async def test_a_refused_acceptance_leaves_no_trace(store: Store) -> None:
    first = mark()
    await put(store, first)
    with pytest.raises(PayoutBusy):
        await put(store, mark())
    assert await ids(store) == {first.id}


async def test_a_stale_result_is_kept_as_evidence_and_never_applied(store: Store) -> None:
    wanted = operation()
    await put(store, wanted)
    taken = msgspec.structs.replace(wanted, fence=1, state=State.UNKNOWN)
    assert await store.write(lambda tx: claim(tx, taken, None))
    stale = msgspec.structs.replace(wanted, state=State.SUCCEEDED)
    finished = msgspec.structs.replace(attempt(wanted), finished_at=9, sent=True, http_status=201, outcome="answered")
    assert not await store.write(lambda tx: record(tx, stale, finished, observation(9)))
    assert await get(store, wanted) == taken
    assert await store.read(lambda tx: attempts_of(tx, wanted.id)) == [finished]
    assert await store.read(lambda tx: last_observation(tx, "bank", "po:1:2")) == observation(9)


async def test_a_claim_succeeds_for_one_fence_only_and_writes_the_lease(store: Store) -> None:
    wanted = operation(state=State.ACCEPTED)
    await put(store, wanted)
    taken = msgspec.structs.replace(wanted, fence=1, state=State.SENDING, lease_owner="a", lease_until=7)
    assert await store.write(lambda tx: claim(tx, taken, attempt(wanted, 2)))
    assert not await store.write(lambda tx: claim(tx, taken, attempt(wanted, 3)))
    assert await get(store, wanted) == taken
    assert [each.number for each in await store.read(lambda tx: attempts_of(tx, wanted.id))] == [1, 2]


async def test_observations_number_themselves_and_the_last_one_counts(store: Store) -> None:
    for source in ("first", "second", "third"):
        await store.write(lambda tx, source=source: observe(tx, observation(1, source)))  # type: ignore[misc]
    seen = await store.read(lambda tx: last_observation(tx, "bank", "po:1:2"))
    assert seen is not None
    assert seen.source == "third"


async def test_lists_are_newest_first_filtered_and_paged(store: Store) -> None:
    made = [operation(provider_reference=f"ref-{number}") for number in range(5)]
    for each in made:
        await put(store, each)
    await put(store, operation(connection="other"))

    def page(before: str | None) -> list[str]:
        return [each.id for each in made[::-1] if before is None or each.id < before][:2]

    for before in (None, made[3].id, made[1].id):
        found = await store.read(
            lambda tx, before=before: list_operations(  # type: ignore[misc]
                tx, TENANT, states=[State.SENDING], connection="bank", before=before, limit=2
            )
        )
        assert [each.id for each in found] == page(before)
    names = await store.read(lambda tx: known_references(tx, TENANT, "bank", ["ref-0", "ref-4", "ref-9"]))
    assert names == {"ref-0": made[0].reference, "ref-4": made[4].reference}


async def test_a_statement_that_breaks_a_constraint_is_refused_without_its_values(store: Store) -> None:
    wanted = operation()
    await put(store, wanted)
    with pytest.raises(StatementRefused) as refused:
        await store.write(lambda tx: add_attempt(tx, attempt(wanted)))
    assert wanted.id not in str(refused.value)
    assert refused.value.__cause__ is None
