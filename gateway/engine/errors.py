"""What the engine may refuse, before anything is sent.

EngineError
├── UnknownConnection   no such connection, or not for this caller
├── NoRoute             the call names no connection and no route takes it
├── NotOffered          the connection's provider has no such call; names what it offers
├── ConnectionHeld      held, paused or draining: nothing is recorded
├── PayoutNotFound      the provider does not know the payout
├── NotKnowable         the provider's documents leave no way to answer this completely
└── Unavailable         the journal could not take the operation: nothing is recorded
"""

from __future__ import annotations

from collections.abc import Iterable


class EngineError(Exception):
    """The root."""


class UnknownConnection(EngineError):
    def __init__(self, name: str) -> None:
        super().__init__(f"there is no connection {name!r}")
        self.name = name


class NoRoute(EngineError):
    pass


class NotOffered(EngineError):
    def __init__(self, capability: str, connection: str, offers: Iterable[str]) -> None:
        self.capability = capability
        self.connection = connection
        self.offers = sorted(offers)
        super().__init__(f"{connection} does not offer {capability}; it offers {', '.join(self.offers)}")


class ConnectionHeld(EngineError):
    def __init__(self, connection: str, why: str) -> None:
        super().__init__(why)
        self.connection = connection


class PayoutNotFound(EngineError):
    pass


class NotKnowable(EngineError):
    pass


class Unavailable(EngineError):
    pass


class DecisionRefused(EngineError):
    pass


class SamePerson(EngineError):
    pass


class Recovering(EngineError):
    pass
