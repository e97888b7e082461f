"""The providers that can be simulated, by name."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.simulator.description import Description
from contracts.simulator.firstpromoter import FIRSTPROMOTER
from contracts.simulator.heldsway import HELDSWAY
from contracts.simulator.ledger import LEDGER
from contracts.simulator.tokenio import TOKENIO

PROVIDERS: Mapping[str, Description] = {it.name: it for it in (LEDGER, FIRSTPROMOTER, HELDSWAY, TOKENIO)}


def described(name: str) -> Description:
    description = PROVIDERS.get(name)
    if description is None:
        raise ValueError(f"no provider {name} can be simulated; there are {', '.join(PROVIDERS)}")
    return description
