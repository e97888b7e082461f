"""The gateway in force, and how another config takes its place: validate, build, swap, drain the old.

A call is answered by the gateway that it began with. What could not go on is refused before the swap, and whatever
happens before the swap leaves the old one in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway import metrics
from gateway.config import STAYS, Config, ConfigInvalid, account, changed, fixed, journal_url, load, redis_url
from gateway.coordination import open_coordination
from gateway.engine.errors import EngineError
from gateway.engine.reading import Reader
from gateway.engine.recovery import Recovery
from gateway.engine.service import Foundation, Gateway, anchor_of, assembled, audit_of, policy_of
from gateway.store.interface import JournalError, JournalUnavailable
from gateway.store.leases import end_dead_leases
from gateway.store.opening import open_store
from gateway.store.questions import open_counts
from gateway.upstream.transport import Transport

log = logging.getLogger("gateway.config")

DRAIN_SECONDS = 20.0  # at the end
CHECK_SECONDS = 1.0  # how often a gateway that is out of force looks whether it may go

Faults = list[tuple[str, str]]


class ConfigRefused(EngineError):
    """The config that was read cannot take the place of the one in force. `faults` are (path, message)."""

    def __init__(self, outcome: Literal["invalid", "refused"], faults: Faults) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in faults))
        self.outcome = outcome
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Reload:
    """What became of the last reload, and when (milliseconds of the epoch). `at_fault`: paths, never values."""

    outcome: Literal["applied", "invalid", "refused"]
    at: int
    at_fault: tuple[str, ...] = ()


class Service:
    """Holds the gateway in force. Calls read `current` once, when they begin."""

    def __init__(self, base: Foundation, source: Path | None, first: Gateway) -> None:
        self.base = base
        self.source = source
        self.current = first
        self.last: Reload | None = None
        self._lock = asyncio.Lock()
        self._working = {first: asyncio.create_task(first.runner.work())}
        self._left: dict[Gateway, frozenset[str]] = {}  # which connections each one that is out of force ends alone
        self._drains: set[asyncio.Task[None]] = set()
        self._tell()

    @property
    def draining(self) -> list[Gateway]:
        """Those that are out of force and still at what they began."""
        return list(self._left)

    async def reload(self) -> Gateway:
        """Reads the config file again. Raises ConfigRefused; then the old config stays in force."""
        async with self._lock:
            try:
                config = await self._loaded()
                left = await self._leaving(config)
                new = assembled(self.base, config, self.current)
            except ConfigInvalid as error:
                raise self._refused("invalid", error.faults) from None
            except JournalError as error:
                raise self._refused("refused", [("journal", str(error))]) from None
            self._swap(new, left)
            return new

    async def close(self) -> None:
        """Waits for what is being sent; what is not done by then is looked up at the next start."""
        await _ended(*self._drains, *self._working.values())
        await asyncio.gather(*(gateway.runner.drain(DRAIN_SECONDS) for gateway in self._working))
        with contextlib.suppress(JournalUnavailable, OSError):
            await self.base.recovery.check()

    async def disconnect(self) -> None:
        for connection in {item for gateway in self._working for item in gateway.connections.values()}:
            await connection.close()
        for gateway in self._working:
            await gateway.callers.close()

    async def _loaded(self) -> Config:
        if self.source is None:
            raise self._refused("refused", [("the file", "this gateway was started without one")])
        config = await asyncio.to_thread(load, self.source)
        faults = [(path, STAYS) for path in changed(fixed(self.current.config), fixed(config))]
        if faults:
            raise self._refused("refused", faults)
        return config

    async def _leaving(self, config: Config) -> frozenset[str]:
        """The connections that go. Raises ConfigRefused where one has open operations, or becomes another account."""
        old, new = self.current.config.connections, config.connections
        wrong = [name for name in old.keys() & new.keys() if account(new[name]) != account(old[name])]
        wrong += new.keys() & frozenset().union(*self._left.values())
        if wrong:
            # Payouts and operations are kept by the connection's name: they would be looked for in the wrong place.
            why = "was the name of another account; give the new one a name of its own"
            raise self._refused("refused", [(f"connections.{name}", why) for name in sorted(wrong)])
        leaving = frozenset(old.keys() - new.keys())
        counts = await self.base.store.read(open_counts) if leaving else {}
        busy = [
            (f"connections.{name}", f"has {counts[name]} open operations: it stays until they end")
            for name in sorted(leaving & counts.keys())
        ]
        if busy:
            raise self._refused("refused", busy)
        return leaving

    def _refused(self, outcome: Literal["invalid", "refused"], faults: Faults) -> ConfigRefused:
        """Tells everyone where it is wrong, and the caller what: a fault's text may repeat a value of the file."""
        paths = tuple("the file" if path == str(self.source) else path for path, _ in faults)
        where, stays = ", ".join(paths), self.current.version
        self.last = Reload(outcome, _now(), paths)
        metrics.config_reloads.labels(outcome).inc()
        log.error("config %s stays in force; the new one is %s: %s (`payout-gateway check`)", stays, outcome, where)
        return ConfigRefused(outcome, faults)

    def _swap(self, new: Gateway, left: frozenset[str]) -> None:
        """From here on, in one step, calls that begin are answered by the new gateway."""
        old, self.current = self.current, new
        self.base.coordination.adopt(policy_of(new.config))
        self._left[old] = left
        for name in old.connections.keys() & new.connections.keys():
            old.connections[name].state = new.connections[name].state  # what is queued there is paused, too
        self._share()
        self._working[new] = asyncio.create_task(new.runner.work())
        self.last = Reload("applied", _now())
        metrics.config_reloads.labels("applied").inc()
        self._tell()
        drain = asyncio.create_task(self._drain(old))
        self._drains.add(drain)
        drain.add_done_callback(self._drains.discard)

    def _share(self) -> None:
        """Each operation is followed by one gateway only, and on the account that it was accepted for."""
        for gateway, left in self._left.items():
            gateway.runner.follows = left
        elsewhere = frozenset().union(*self._left.values())
        self.current.runner.follows = frozenset(self.current.connections) - elsewhere

    async def _drain(self, old: Gateway) -> None:
        """Lets what the old gateway began come to its end, then takes it apart."""
        await old.uses.ended()
        await old.runner.drain(None)
        await self._nothing_open(self._left[old])
        old.runner.working = False
        await asyncio.wait({self._working[old]})
        await old.runner.drain(None)
        del self._left[old], self._working[old]
        self._share()
        still = {item for gateway in self._working for item in gateway.connections.values()}
        for connection in set(old.connections.values()) - still:
            await connection.close()
        log.info("config %s is out of use", old.version)

    async def _nothing_open(self, left: frozenset[str]) -> None:
        """Waits for the end of what was accepted between the check and the swap."""
        while left:
            with contextlib.suppress(JournalUnavailable):
                if not left & (await self.base.store.read(open_counts)).keys():
                    return
            await asyncio.sleep(CHECK_SECONDS)

    def _tell(self) -> None:
        config = self.current.config
        metrics.config_info.clear()
        metrics.config_info.labels(self.current.version).set(1)
        log.info("config %s is in force: %s", self.current.version, config.sizes)


@asynccontextmanager
async def opened(config: Config, source: Path | None = None) -> AsyncIterator[Service]:
    """Opens the journal and all connections. `source`: the file to read at a reload.

    Raises ConfigInvalid and JournalRefused.
    """
    async with contextlib.AsyncExitStack() as stack:
        coordination = await open_coordination(redis_url(config), policy_of(config))
        stack.push_async_callback(coordination.close)
        store = open_store(journal_url(config))
        stack.push_async_callback(store.close)
        await store.write(end_dead_leases)
        audit = audit_of(config)
        recovery = Recovery(store, anchor_of(config), audit)
        await recovery.check()
        transport = await stack.enter_async_context(Transport())
        base = Foundation(store, coordination, Reader(store), recovery, audit, transport)
        service = Service(base, source, assembled(base, config))
        stack.push_async_callback(service.disconnect)
        stack.push_async_callback(service.close)
        stack.push_async_callback(_ended, asyncio.create_task(recovery.keep()))
        yield service


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _now() -> int:
    return int(time.time() * 1000)
