"""After a restored backup the journal has forgotten sends: reads and look-ups only, until it is reconciled."""

from __future__ import annotations

import asyncio
import logging
import time

from gateway.engine.errors import Recovering
from gateway.store.anchor import Anchor, Length
from gateway.store.audit import total
from gateway.store.journal import JournalUnavailable, Store

log = logging.getLogger("gateway.recovery")

KEEP_SECONDS = 10.0  # how far the anchor may lag behind the journal


class Recovery:
    """Holds the journal against its anchor, and keeps the anchor while the journal is the longer of the two."""

    def __init__(self, store: Store, anchor: Anchor | None) -> None:
        self.store = store
        self.anchor = anchor
        self.why: str | None = None

    def require_none(self) -> None:
        """Raises Recovering while the journal is older than its anchor."""
        if self.why is not None:
            raise Recovering(self.why)

    async def check(self) -> None:
        """Compares, and moves the anchor on where the journal has grown."""
        if self.anchor is None:
            return
        entries = await self.store.read(total)
        known = self.anchor.read()
        if known is not None and entries < known.entries:
            self._recover(f"the journal has {entries} audit entries and its anchor remembers {known.entries}")
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

    def _recover(self, why: str) -> None:
        if self.why is None:
            log.error("%s: a restored backup? No sends until `payout-gateway audit reconcile` is done", why)
        self.why = why
