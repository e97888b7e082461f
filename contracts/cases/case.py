"""One case: what a caller asks, and what the provider answers, or how the line breaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from providers.sdk import Call, Provider

# Stands in every field that the contract flags as secret: wherever it shows, a secret leaks.
CANARY = "test-canary-0123456789"


class Family(StrEnum):
    """The kinds of cases, in the order in which they are made."""

    EXAMPLES = "examples"
    VARIANTS = "variants"
    MUTANTS = "mutants"
    WIRE = "wire"
    UNDOCUMENTED = "undocumented"
    TRANSPORT = "transport"
    ERRORS = "errors"
    METAMORPHIC = "metamorphic"


@dataclass(frozen=True, slots=True)
class Intent:
    """What a caller asks: a capability of the sdk and its arguments by name. `login` is the gateway's own call."""

    capability: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def call(self, provider: Provider) -> Call[Any]:
        """Raises FieldRefused and NotOffered."""
        call: Call[Any] = getattr(provider, self.capability)(**self.arguments)
        return call


@dataclass(frozen=True, slots=True)
class Case:
    """`valid`: the contract documents this answer. `fault` breaks the line instead, and then there is no status.

    `currency` is the connection's, for providers that name none. `minted`: the credentials are those that are
    exchanged for a token first.
    """

    family: Family
    operation: str
    capability: str
    status: int | None
    media: str | None
    label: str
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...]
    valid: bool
    fault: str | None
    intent: Intent
    currency: str | None = None
    minted: bool = False

    @property
    def id(self) -> str:
        status = self.status if self.status is not None else "-"
        return f"{self.operation}.{self.capability}/{status}/{self.family}/{self.label}"

    def header(self, name: str) -> str:
        """The last of that name, in any letters; empty where there is none."""
        return {key.lower(): value for key, value in self.headers}.get(name.lower(), "")
