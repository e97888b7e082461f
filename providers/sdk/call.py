"""A call to a provider, as a value: what to send, and how to read what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar
from urllib.parse import quote

T = TypeVar("T")
S = TypeVar("S")
P = ParamSpec("P")

JSON = "application/json"


class Effect(StrEnum):
    """What repeating a call would do; it decides how a write is made safe."""

    READ = "read"
    CONVERGENT = "convergent"  # sets a state: repeating the same call is harmless
    GUARDED = "guarded"  # the provider's own state machine refuses a repeat
    CREATE = "create"  # moves money, and nothing upstream refuses a repeat


class RefusalKind(StrEnum):
    """What a documented error answer means. Whatever is not documented is `unclear`."""

    CREDENTIALS = "credentials"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    RATE_LIMITED = "rate_limited"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Problem:
    """What an error body says, made safe to show."""

    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A provider's answer that is not a success."""

    kind: RefusalKind
    status: int
    problem: Problem = Problem()
    retry_after: int | None = None  # seconds


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. Header names are lower case; the body is bounded by whoever read it."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)  # may hold secrets


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One HTTP request to a provider. `path` comes after the connection's base URL, already quoted.

    `reads` turns a success into a result and raises Malformed or Mismatch. A status is a success only if it is in
    `success`, and a refusal only if it is in `refuses`: what the contract does not list for this call is unclear.
    """

    method: str
    path: str
    reads: Callable[[Reply], T]
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = field(default=None, repr=False)  # a login's holds credentials
    headers: tuple[tuple[str, str], ...] = ()
    success: frozenset[int] = frozenset({200})
    refuses: Mapping[int, RefusalKind] = field(default_factory=dict)
    accept: str = JSON
    reference: str | None = None  # the reference as it was sent, so that an echo can be compared
    carried: tuple[str, ...] = ()  # the optional fields of the caller that this request takes along
    operation: str = ""  # the contract's operationId; set by the decorator of the method that built it
    effect: Effect = Effect.READ


Method = Callable[Concatenate[S, P], Call[T]]


def _declares(effect: Effect, operation: str) -> Callable[[Method[S, P, T]], Method[S, P, T]]:
    def declare(method: Method[S, P, T]) -> Method[S, P, T]:
        @wraps(method)
        def build(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
            return replace(method(self, *args, **kwargs), operation=operation, effect=effect)

        marked: Any = build
        marked.effect, marked.operation = effect, operation
        return build

    return declare


def read(operation: str) -> Callable[[Method[S, P, T]], Method[S, P, T]]:
    """Declares a method that only reads. `operation` is the contract's operationId."""
    return _declares(Effect.READ, operation)


def convergent(operation: str) -> Callable[[Method[S, P, T]], Method[S, P, T]]:
    """Declares a write that sets a state, so that repeating it is harmless."""
    return _declares(Effect.CONVERGENT, operation)


def guarded(operation: str) -> Callable[[Method[S, P, T]], Method[S, P, T]]:
    """Declares a write whose repeat the provider itself refuses."""
    return _declares(Effect.GUARDED, operation)


def creates(operation: str) -> Callable[[Method[S, P, T]], Method[S, P, T]]:
    """Declares a write that moves money and that nothing upstream de-duplicates."""
    return _declares(Effect.CREATE, operation)


def path(template: str, **values: str) -> str:
    """Fills a path template. Values were matched by the plugin's allow-list before; `:` stays as it is."""
    return template.format(**{name: quote(value, safe=":") for name, value in values.items()})
