"""What a plugin may raise, and nothing else."""

from __future__ import annotations


class ProviderError(Exception):
    """The root of everything that a plugin raises."""


class FieldRefused(ProviderError):
    """The provider cannot carry a field of the call; raised before anything is sent.

    `pointer` is the JSON pointer of the field in the caller's request, `message` says what would be accepted.
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer}: {message}")
        self.pointer = pointer
        self.message = message


class NotOffered(ProviderError):
    """The provider documents no such call; raised before anything is sent."""

    def __init__(self, capability: str) -> None:
        super().__init__(capability)
        self.capability = capability


class Malformed(ProviderError):
    """A reply that is not what the contract documents. The text names places, never values."""


class Mismatch(ProviderError):
    """A readable reply that contradicts what was asked: another payout, amount, reference or state."""
