"""What operators count. Labels hold names from the config and the contracts, never values of callers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

Kind = TypeVar("Kind", bound=StrEnum)

registry = CollectorRegistry()

upstream_calls = Counter(
    "payout_gateway_upstream_calls",
    "HTTP calls to providers by what became of them.",
    ("connection", "operation", "outcome"),
    registry=registry,
)
unknown_statuses = Counter(
    "payout_gateway_unknown_statuses",
    "Payouts seen with a status word that the provider's table lacks.",
    ("connection",),
    registry=registry,
)
contract_violation = Counter(
    "payout_gateway_contract_violation",
    "Replies that depart from the provider's contract, by place and keyword; never a value.",
    ("provider", "operation", "pointer", "keyword"),
    registry=registry,
)
operations = Counter(
    "payout_gateway_operations",
    "Operations by the state that they came to.",
    ("connection", "action", "state"),
    registry=registry,
)
alarms = Counter(
    "payout_gateway_alarms",
    "Operations that need a person.",
    ("connection", "reason"),
    registry=registry,
)
circuits = Gauge(
    "payout_gateway_circuit",
    "1 for the state of each connection's circuits: closed, open or half_open.",
    ("connection", "kind", "state"),
    registry=registry,
)
config_reloads = Counter(
    "payout_gateway_config_reloads",
    "Reloads of the config by what became of them: applied, invalid or refused.",
    ("outcome",),
    registry=registry,
)
config_info = Gauge(
    "payout_gateway_config_info",
    "1 for the version of the config that is in force.",
    ("hash",),
    registry=registry,
)


@cache
def series(counter: Counter, *labels: str) -> Counter:
    """One series of a counter, looked up once."""
    return counter.labels(*labels)


def show_circuits(states: Mapping[str, Mapping[Kind, StrEnum]]) -> None:
    """The circuits as they are now: connection to kind to state."""
    circuits.clear()
    for connection, kinds in states.items():
        for kind, state in kinds.items():
            circuits.labels(connection, kind, state).set(1)


def exposition() -> bytes:
    """The Prometheus text format."""
    return generate_latest(registry)
