"""Circuits: the same claims on both implementations. The policy opens after 2 unreachable or 3 errors."""

from __future__ import annotations

import asyncio

import pytest

from gateway.coordination import CircuitState, Coordination, Kind, Symptom, Verdict
from tests.coordination.conftest import POLICY, Subject

pytestmark = pytest.mark.anyio
INTERVAL = POLICY.circuit.interval + 0.005


async def saw(coordination: Coordination, *symptoms: Symptom, kind: Kind = Kind.WRITE) -> CircuitState:
    for symptom in symptoms:
        await coordination.record("bank", kind, symptom)
    return await coordination.circuit("bank", kind)


async def verdict(coordination: Coordination, kind: Kind = Kind.WRITE) -> Verdict:
    return (await coordination.admit("bank", kind)).verdict


async def opened(subject: Subject) -> Coordination:
    """Open, and its next probe due."""
    await saw(subject.coordination, Symptom.UNREACHABLE, Symptom.UNREACHABLE)
    await subject.elapse(INTERVAL)
    return subject.coordination


async def test_unreachable_in_a_row_opens(coordination: Coordination) -> None:
    assert await saw(coordination, Symptom.UNREACHABLE) is CircuitState.CLOSED
    assert await verdict(coordination) is Verdict.GO
    assert await saw(coordination, Symptom.UNREACHABLE) is CircuitState.OPEN
    admission = await coordination.admit("bank", Kind.WRITE)
    assert admission.verdict is Verdict.STOP
    assert 0 < admission.wait <= INTERVAL


async def test_errors_are_counted_apart_from_unreachable(coordination: Coordination) -> None:
    mixed = (Symptom.ERROR, Symptom.UNREACHABLE, Symptom.ERROR)
    assert await saw(coordination, *mixed) is CircuitState.CLOSED
    assert await saw(coordination, Symptom.ERROR) is CircuitState.OPEN


async def test_declines_are_never_counted(coordination: Coordination) -> None:
    assert await saw(coordination, *[Symptom.DECLINED] * 50) is CircuitState.CLOSED
    assert await saw(coordination, Symptom.UNREACHABLE, Symptom.DECLINED) is CircuitState.CLOSED
    assert await saw(coordination, Symptom.UNREACHABLE) is CircuitState.OPEN


async def test_a_success_clears_what_was_counted(coordination: Coordination) -> None:
    await saw(coordination, Symptom.UNREACHABLE, Symptom.ERROR, Symptom.ERROR, Symptom.OK)
    state = await saw(coordination, Symptom.UNREACHABLE, Symptom.ERROR, Symptom.ERROR)
    assert state is CircuitState.CLOSED


async def test_old_failures_are_forgotten(subject: Subject) -> None:
    await saw(subject.coordination, Symptom.UNREACHABLE)
    await subject.elapse(POLICY.circuit.window + 0.01)
    assert await saw(subject.coordination, Symptom.UNREACHABLE) is CircuitState.CLOSED


async def test_reads_and_writes_and_connections_are_apart(coordination: Coordination) -> None:
    await saw(coordination, Symptom.UNREACHABLE, Symptom.UNREACHABLE)
    assert await verdict(coordination, Kind.READ) is Verdict.GO
    assert (await coordination.admit("promo", Kind.WRITE)).verdict is Verdict.GO


async def test_one_probe_passes_per_interval(subject: Subject) -> None:
    coordination = await opened(subject)
    for _ in range(2):  # the second interval: the first one's prober died and never told
        verdicts = await asyncio.gather(*(verdict(coordination) for _ in range(20)))
        assert sorted(verdicts) == [Verdict.PROBE, *[Verdict.STOP] * 19]
        assert await coordination.circuit("bank", Kind.WRITE) is CircuitState.HALF_OPEN
        await subject.elapse(INTERVAL)


@pytest.mark.parametrize("symptom", [Symptom.OK, Symptom.DECLINED])
async def test_an_answered_probe_closes(subject: Subject, symptom: Symptom) -> None:
    coordination = await opened(subject)
    assert await verdict(coordination) is Verdict.PROBE
    await coordination.record("bank", Kind.WRITE, symptom, probe=True)
    assert await coordination.circuit("bank", Kind.WRITE) is CircuitState.CLOSED
    assert await verdict(coordination) is Verdict.GO


async def test_a_failed_probe_opens_for_another_interval(subject: Subject) -> None:
    coordination = await opened(subject)
    await verdict(coordination)
    await coordination.record("bank", Kind.WRITE, Symptom.ERROR, probe=True)
    assert await coordination.circuit("bank", Kind.WRITE) is CircuitState.OPEN
    assert await verdict(coordination) is Verdict.STOP
    await subject.elapse(INTERVAL)
    assert await verdict(coordination) is Verdict.PROBE


@pytest.mark.parametrize("symptom", [Symptom.UNREACHABLE, Symptom.ERROR])
async def test_after_a_probe_the_next_failure_opens_again(subject: Subject, symptom: Symptom) -> None:
    coordination = await opened(subject)
    await verdict(coordination)
    await coordination.record("bank", Kind.WRITE, Symptom.OK, probe=True)
    assert await saw(coordination, symptom) is CircuitState.OPEN


async def test_a_success_after_a_probe_ends_the_trial(subject: Subject) -> None:
    coordination = await opened(subject)
    await verdict(coordination)
    await coordination.record("bank", Kind.WRITE, Symptom.OK, probe=True)
    assert await saw(coordination, Symptom.OK, Symptom.UNREACHABLE) is CircuitState.CLOSED


async def test_late_results_of_calls_sent_before_change_nothing(subject: Subject) -> None:
    coordination = subject.coordination
    await saw(coordination, Symptom.UNREACHABLE, Symptom.UNREACHABLE)
    assert await saw(coordination, Symptom.OK) is CircuitState.OPEN
    await subject.elapse(INTERVAL)
    await saw(coordination, Symptom.UNREACHABLE)
    assert await verdict(coordination) is Verdict.PROBE


async def test_a_line_is_logged_when_it_opens_and_when_it_closes(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    coordination = await opened(subject)
    await saw(coordination, Symptom.UNREACHABLE)
    for symptom in (Symptom.ERROR, Symptom.OK):
        await subject.elapse(INTERVAL)
        assert await verdict(coordination) is Verdict.PROBE
        await coordination.record("bank", Kind.WRITE, symptom, probe=True)
    said = [record.getMessage() for record in caplog.records if "circuit" in record.getMessage()]
    assert said == [f"the write circuit of connection bank is {state}" for state in ("open", "closed")]
