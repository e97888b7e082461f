"""After a restored backup the journal has forgotten sends: reads and look-ups only, until it is reconciled.

What it then believes unsent may have been sent: it is looked up, and never sent by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time

import msgspec

from gateway.engine.errors import Recovering
from gateway.operation import Operation, Reason, State, Step
from gateway.store.anchor import Anchor, Length
from gateway.store.audit import GATEWAY, Audit, total
from gateway.store.interface import JournalUnavailable, Store, Transaction
from gateway.store.journal import now, record
from gateway.store.leases import free
from gateway.store.questions import list_operations

log = logging.getLogger("gateway.recovery")

MAY_BE_UNSENT = (State.AWAITING_APPROVAL, State.ACCEPTED, State.UNKNOWN)
MOST = 10**7  # all of them
KEEP_SECONDS = 10.0  # how far the anchor may lag behind the journal


class Recovery:
    """Holds the journal against its anchor, and keeps the anchor while the journal is the longer of the two."""

    def __init__(self, store: Store, anchor: Anchor | None, audit: Audit) -> None:
        self.store = store
        self.anchor = anchor
        self.audit = audit
        self.why: str | None = None

    def require_none(self) -> None:
        """Raises Recovering while the journal is older than its anchor."""
        if self.why is not None:
            raise Recovering(self.why)

    async def check(self) -> None:
        """Compares, and moves the anchor on where the journal has grown."""
        if self.anchor is None:
            return
        # The anchor first: another worker may move it on, and then it remembers more than what was counted before.
        known = self.anchor.read()
        entries = await self.store.read(total)
        if known is not None and (known.recovering or entries < known.entries):
            # Look-ups make the journal longer again: only a person ends this.
            if not known.recovering:
                self.anchor.write(Length(known.entries, known.at, recovering=True))
            await self._recover(f"the journal has {entries} audit entries and its anchor remembers {known.entries}")
            return
        self.why = None
        if known is None or entries > known.entries:
            self.anchor.write(Length(entries, int(time.time() * 1000)))

    async def keep(self) -> None:
        """Checks again and again, until cancelled."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            try:
                await self.check()
            except (JournalUnavailable, OSError) as error:
                log.warning("the anchor was not moved on: %s", error)

    async def _recover(self, why: str) -> None:
        if self.why is None:
            log.error("%s: a restored backup? No sends until `payout-gateway audit reconcile` is done", why)
            await self.store.write(self._doubt)
        self.why = why

    def _doubt(self, tx: Transaction) -> None:
        """Nothing that is open counts as unsent any more."""
        for operation in list_operations(tx, None, states=MAY_BE_UNSENT, limit=MOST):
            if not operation.maybe_executed:
                doubted = _doubted(operation, now(tx))
                record(tx, doubted, None, None)
                self.audit.append(tx, doubted, GATEWAY, "restored")


def _doubted(operation: Operation, at: int) -> Operation:
    return msgspec.structs.replace(
        free(operation),
        state=State.UNKNOWN,
        reason=Reason.INTERRUPTED,
        detail="the journal was restored from a backup: this may have been sent since",
        unsure=operation.unsure + 1,
        pinned=True,
        accepted_at=operation.accepted_at or at,
        sent_at=at,
        step=Step.LOOK_UP,
        due_at=at,
        updated_at=at,
    )
