"""What operators count. Labels hold names from the config and the contracts, never values of callers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, generate_latest

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


def exposition() -> bytes:
    """The Prometheus text format."""
    return generate_latest(registry)
