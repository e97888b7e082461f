"""Lists over one connection or many, with one opaque cursor.

Each connection keeps its own order; a merged page takes one item of each in turn. What a provider cannot filter
is filtered here, and what it cannot list completely is named in `omitted`, never left out in silence.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Generic, TypeVar

import msgspec

from gateway.engine.connection import Connection
from gateway.engine.errors import EngineError
from gateway.upstream import UpstreamFailed
from providers.sdk import FieldRefused, ListQuery, Page, Payout, PayoutRequest

Item = TypeVar("Item", Payout, PayoutRequest)

# How many pages one call asks of one connection while filters leave the answer short.
PAGES_MOST = 10

Fetch = Callable[[Connection, ListQuery], Awaitable[Page[Item]]]
Keep = Callable[[Item], bool]


class CursorInvalid(EngineError):
    """Not a cursor of this list."""


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where one connection's list goes on: its own cursor, and how many items of that page were given already."""

    cursor: str | None = None
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    ended: bool = False


class Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the opaque cursor holds. `query` binds it to the list and the filters that it was made with.

    `size` is that of the first page: positions count items of pages of that size, whatever limit comes later.
    """

    query: str
    size: Annotated[int, msgspec.Meta(ge=1, le=200)]
    positions: dict[str, Position]


class Omitted(msgspec.Struct, frozen=True):
    """A connection that this list is not complete for, and why."""

    connection: str
    reason: str


@dataclass(slots=True)
class Merged(Generic[Item]):
    items: list[tuple[Connection, Item]] = field(default_factory=list)
    next_cursor: str | None = None
    omitted: list[Omitted] = field(default_factory=list)


@dataclass(slots=True)
class _Source(Generic[Item]):
    """One connection's part of one page. `found` pairs each item with the position after it."""

    connection: Connection
    start: Position
    found: list[tuple[Item, Position]]
    rest: Position  # where to go on if all that was found is given
    failed: UpstreamFailed | None = None


async def merged(
    connections: Sequence[Connection],
    query: ListQuery,
    cursor: str | None,
    fetch: Fetch[Item],
    keep: Keep[Item],
    allow_partial: bool,
    name: str = "payouts",
) -> Merged[Item]:
    """One page over all connections. Raises CursorInvalid, and UpstreamFailed unless partial answers are allowed.

    `name`: which list this is, with whatever filters the query does not hold.
    """
    mark = fingerprint(name, query, connections)
    at = _decoded(cursor, mark) if cursor is not None else Cursor(mark, query.limit, {})
    paged = msgspec.structs.replace(query, limit=at.size)
    sources = await asyncio.gather(
        *(
            _gather(item, at.positions.get(item.name, Position()), paged, query.limit, fetch, keep)
            for item in connections
        )
    )
    page: Merged[Item] = Merged()
    for source in sources:
        if source.failed is not None:
            if not allow_partial:
                raise source.failed
            reason = f"did not answer: {source.failed}"
            page.omitted.append(Omitted(source.connection.name, reason))
    page.items, after = _interleave(sources, query.limit)
    # A connection that failed goes on where it stood, but does not keep the list alive by itself.
    if any(not after[source.connection.name].ended for source in sources if source.failed is None):
        page.next_cursor = _encode(Cursor(mark, at.size, after))
    return page


def fingerprint(name: str, query: ListQuery, connections: Sequence[Connection]) -> str:
    asked = [connection.name for connection in connections]
    filters = [sorted(query.statuses), query.created_from, query.created_to, query.reference]
    shape = msgspec.json.encode([name, asked, *filters])
    return hashlib.sha256(shape).hexdigest()[:16]


def created_between(created_at: str | None, first: date | None, last: date | None) -> bool:
    """Whether a payout's day of creation lies in the bounds, both included. One that names no day is never left out."""
    try:
        day = date.fromisoformat((created_at or "")[:10])
    except ValueError:
        return True
    return (first is None or day >= first) and (last is None or day <= last)


async def _gather(
    connection: Connection, start: Position, query: ListQuery, wanted: int, fetch: Fetch[Item], keep: Keep[Item]
) -> _Source[Item]:
    source: _Source[Item] = _Source(connection, start, [], start)
    try:
        for _ in range(PAGES_MOST):
            if source.rest.ended or len(source.found) >= wanted:
                break
            await _take_page(source, query, fetch, keep)
    except FieldRefused as error:  # their part of the cursor is none of theirs: someone made it up
        raise CursorInvalid(f"not a cursor of this API: {error.message}") from None
    except UpstreamFailed as error:
        source.failed = error
        source.found, source.rest = [], start
    return source


async def _take_page(source: _Source[Item], query: ListQuery, fetch: Fetch[Item], keep: Keep[Item]) -> None:
    at = source.rest
    page = await fetch(source.connection, msgspec.structs.replace(query, cursor=at.cursor))
    for place, item in enumerate(page.items[at.skip :], start=at.skip + 1):
        if keep(item):
            source.found.append((item, Position(at.cursor, place)))
    source.rest = Position(page.next) if page.next is not None else Position(ended=True)


def _interleave(
    sources: Sequence[_Source[Item]], limit: int
) -> tuple[list[tuple[Connection, Item]], dict[str, Position]]:
    """Takes one item of each source in turn, and says where each goes on."""
    given: list[tuple[Connection, Item]] = []
    taken = dict.fromkeys((source.connection.name for source in sources), 0)
    longest = max((len(source.found) for source in sources), default=0)
    for turn in range(longest):
        for source in sources:
            if turn < len(source.found) and len(given) < limit:
                given.append((source.connection, source.found[turn][0]))
                taken[source.connection.name] += 1
    return given, {source.connection.name: _after(source, taken[source.connection.name]) for source in sources}


def _after(source: _Source[Item], taken: int) -> Position:
    if taken == len(source.found):
        return source.rest
    return source.found[taken - 1][1] if taken else source.start


def _decoded(cursor: str, mark: str) -> Cursor:
    try:
        decoded = msgspec.json.decode(base64.urlsafe_b64decode(cursor.encode() + b"=="), type=Cursor)
    except (ValueError, msgspec.MsgspecError):
        raise CursorInvalid("not a cursor of this API") from None
    if decoded.query != mark:
        raise CursorInvalid("the cursor was made with other filters")
    return decoded


def _encode(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")
