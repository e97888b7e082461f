"""What operators count. Labels hold names from the config and the contracts, never values of callers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

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


def of_workers(texts: Mapping[str, bytes | None]) -> bytes:
    """What each worker counts, told apart by a label, for each begins at 0 when it begins; None is one that is away."""
    together = CollectorRegistry()
    together.register(_Workers(texts))
    return generate_latest(together)


class _Workers(Collector):
    def __init__(self, texts: Mapping[str, bytes | None]) -> None:
        self.texts = texts

    def collect(self) -> Iterator[Metric]:
        up = Metric("payout_gateway_worker_up", "1 for each worker that told its metrics.", "gauge")
        families = {up.name: up}
        for worker, text in self.texts.items():
            up.add_sample(up.name, {"worker": worker}, int(text is not None))
            for each in text_string_to_metric_families((text or b"").decode()):
                family = families.setdefault(each.name, Metric(each.name, each.documentation, each.type))
                for sample in each.samples:
                    family.add_sample(sample.name, sample.labels | {"worker": worker}, sample.value)
        yield from families.values()
