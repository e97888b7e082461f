"""The records that the journal keeps: operations, attempts, observations. Times are milliseconds of the epoch."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Literal

import msgspec

from providers.sdk import Effect, Money, Payout

Kind = Literal["payout", "payout_request", "settings"]


class State(StrEnum):
    """Where an operation stands; the list is closed.

    awaiting_approval → accepted → sending → succeeded | rejected | unknown
    unknown → succeeded | rejected | needs_review → closed
    never sent: expired | cancelled
    """

    AWAITING_APPROVAL = "awaiting_approval"
    ACCEPTED = "accepted"
    SENDING = "sending"
    SUCCEEDED = "succeeded"  # the provider has it; a bank's later rejection is the payout's status
    REJECTED = "rejected"  # provably refused or never executed
    UNKNOWN = "unknown"
    NEEDS_REVIEW = "needs_review"
    CLOSED = "closed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


OPEN = frozenset({State.AWAITING_APPROVAL, State.ACCEPTED, State.SENDING, State.UNKNOWN, State.NEEDS_REVIEW})
LAPSED = frozenset({State.REJECTED, State.EXPIRED, State.CANCELLED})  # as if never asked for: limits, reference


class Step(StrEnum):
    """What the gateway does next by itself."""

    SEND = "send"
    LOOK_UP = "look_up"


class Reason(StrEnum):
    """Why an operation is in its state; the list is closed."""

    NOT_SENT = "not_sent"
    RATE_LIMITED = "rate_limited"
    CREDENTIALS = "credentials"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    NO_CLEAR_ANSWER = "no_clear_answer"
    NOT_CONFIRMED = "not_confirmed"
    CONTRADICTION = "contradiction"
    ABSENT = "absent"
    SEVERAL = "several"
    INTERRUPTED = "interrupted"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided of an operation."""

    decision: Literal["approve", "deny", "cancel", "release", "close"]
    by: str  # the name of the key
    at: int
    verdict: Literal["executed", "not_executed"] | None = None
    note: str | None = None


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation must have before it is accepted: so many keys' approvals, other than the maker's."""

    policy: str
    approvers: int
    expires_at: int


class Candidate(msgspec.Struct, frozen=True):
    """One connection that a call could have gone to. `reserve`: a fallback that was not needed so far."""

    connection: str
    verdict: Literal["taken", "reserve", "dropped"]
    why: str


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """Which connection a call went to, and why. `config`: the version of the config that decided."""

    config: str | None = None
    route: str | None = None
    rule: str = "the call names its connection"
    chosen: str | None = None  # by the config alone, whatever came in between
    candidates: tuple[Candidate, ...] = ()

    @property
    def taken(self) -> str | None:
        return next((item.connection for item in self.candidates if item.verdict == "taken"), None)

    @property
    def reserve(self) -> tuple[str, ...]:
        return tuple(item.connection for item in self.candidates if item.verdict == "reserve")

    def dropped(self, connection: str, why: str) -> Routing:
        """Without one candidate. Was it the one that had taken the call, the next in reserve takes it."""
        candidates = [
            Candidate(connection, "dropped", why) if item.connection == connection else item for item in self.candidates
        ]
        if connection == self.taken and self.reserve:
            place = next(place for place, item in enumerate(candidates) if item.verdict == "reserve")
            candidates[place] = Candidate(candidates[place].connection, "taken", candidates[place].why)
        return msgspec.structs.replace(self, candidates=tuple(candidates))


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One write that a caller asked for. It is the idempotency record, too."""

    id: str
    tenant: str
    maker: str  # the name of the caller's key
    key: str  # Idempotency-Key
    item: str = ""  # which id of a bulk call
    fingerprint: str
    action: str  # a capability
    kind: Kind
    connection: str
    effect: Effect
    target: str | None = None  # the provider's id of what is written
    request: str  # the caller's body as canonical JSON
    reference: str | None = None  # the caller's
    provider_reference: str | None = None
    currency: str | None = None
    minor_units: int | None = None
    payee: str | None = None  # a digest of the account that is paid
    carried: tuple[str, ...] = ()
    state: State
    reason: Reason | None = None
    detail: str | None = None
    attribution: str | None = None  # "unverified": at the target, but perhaps by someone else
    unsure: int = 0  # attempts that may have been executed
    acknowledged: bool = False  # an attempt was answered with a success that proves nothing by itself
    resends: int = 0  # of a create, by itself or by a person: at most one
    attempts: int = 0
    sent_at: int  # when the last attempt began
    fence: int = 0
    lease_owner: str | None = None  # the gateway that is at it
    lease_until: int | None = None  # by the database's clock
    step: Step | None = None
    due_at: int | None = None
    payout: Payout | None = None  # the last that was seen of it
    decisions: tuple[Decision, ...] = ()
    approval: Approval | None = None
    accepted_at: int | None = None  # by the database's clock; None while it awaits approval
    routing: Routing = Routing()
    pinned: bool = False  # an attempt began to leave: no other connection may be tried
    created_at: int
    updated_at: int

    @property
    def amount(self) -> Money | None:
        if self.currency is None or self.minor_units is None:
            return None
        return Money(self.currency, self.minor_units)

    @property
    def approved_by(self) -> tuple[str, ...]:
        """The names of the keys that approved it."""
        return tuple(decision.by for decision in self.decisions if decision.decision == "approve")

    @property
    def maybe_executed(self) -> bool:
        return self.unsure > 0

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP send of an operation. `sent` is None until the outcome is recorded."""

    operation: str
    number: int
    started_at: int
    finished_at: int | None = None
    sent: bool | None = None
    http_status: int | None = None
    outcome: str | None = None
    detail: str | None = None


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence of a payout's state."""

    connection: str
    target: str
    at: int
    source: str
    payout: Payout


def instant(milliseconds: int) -> str:
    """RFC 3339 in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_to_the_second(seconds)}.{rest:03}Z"


@lru_cache(maxsize=64)  # an answer names a few moments, and most of them are within the same second
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
