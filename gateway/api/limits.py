"""What a caller is told of a limit that refuses a write."""

from __future__ import annotations

import msgspec

from gateway.operation import instant
from gateway.store.limits import Name, OverLimit


class LimitShown(msgspec.Struct, frozen=True, kw_only=True):
    """The limit that refuses a write, and whose it is. `left` of `most`: minor units where there is a currency.

    `frees_at` is when it allows more; null: waiting does not help.
    """

    limit: Name
    of: str
    currency: str | None
    most: int | float
    left: int
    frees_at: str | None


def shown(error: OverLimit) -> LimitShown:
    return LimitShown(
        limit=error.limit,
        of=error.holder,
        currency=error.currency,
        most=error.most,
        left=error.left,
        frees_at=instant(error.frees_at) if error.frees_at is not None else None,
    )
