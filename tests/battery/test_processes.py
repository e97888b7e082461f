"""The share of `make test` of the batteries of real processes; `make battery` runs their full counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.battery import kills, many, one_key, pauses
from tests.battery.result import Result, silent

SEED = 20261120


def shown(result: Result) -> Result:
    """Prints what a failure needs: the seed and what happened."""
    print(f"seed {SEED}: {result}")
    return result


@pytest.fixture(scope="module")
def killed() -> dict[str, Result]:
    """Both engines side by side: each waits for its gateway to boot most of the time."""
    with ThreadPoolExecutor() as pool:
        running = {engine: pool.submit(kills.run, 15, SEED, silent, engine) for engine in kills.JOURNALS}
        return {engine: each.result() for engine, each in running.items()}


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_whenever_a_gateway_is_killed_nothing_is_paid_twice_or_lost(killed: dict[str, Result], engine: str) -> None:
    result = shown(killed[engine])
    assert result.violations == []
    assert result.happened["found sending"] > 0, "no kill hit a send"
    assert result.happened["ended succeeded"] > 0


def test_a_gateway_stopped_past_its_lease_cannot_apply_its_stale_result() -> None:
    result = shown(pauses.run(3, SEED, silent))
    assert result.violations == []
    assert result.happened["stale results refused"] >= 3


def test_64_clients_with_one_key_over_three_gateways_pay_once() -> None:
    result = shown(one_key.run(20, SEED, silent))
    assert result.violations == []
    assert sum(count for name, count in result.happened.items() if name.startswith("answered")) == 20 * 64
    assert result.happened["ended succeeded"] == 20


def test_three_gateways_share_one_journal() -> None:
    result = shown(many.run(1, SEED, silent))
    assert result.violations == []
    assert result.happened["taken over by the others"] > 0
