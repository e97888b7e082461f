"""What became of one HTTP send. The classes are exhaustive: every send ends as exactly one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from providers.sdk import Refusal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the transport itself saw. `started`: request headers began to leave. No secrets, no bodies."""

    started: bool
    status: int | None = None
    detail: str | None = None
    milliseconds: int = 0


@dataclass(frozen=True, slots=True)
class NotSent:
    """Provably nothing left: the connection's own trace shows no request headers.

    `ours`: it was our own doing, a rate limit or a late start, and tells nothing of the connection.
    """

    evidence: Evidence
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A documented error answer."""

    evidence: Evidence
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Unclear:
    """Something may have left and no readable, documented answer came back."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Contradicted:
    """A readable success that speaks of something else than we asked for."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """A documented success, read and checked by the plugin."""

    evidence: Evidence
    result: T


Outcome = NotSent | Refused | Unclear | Contradicted | Answered[T]
