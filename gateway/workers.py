"""`payout-gateway run --workers N`: one process that serves nothing, and keeps N that do.

Each worker is a fresh interpreter with a listening socket of its own (SO_REUSEPORT): the kernel deals connections out
evenly, whereas over one inherited socket a burst of 256 went to one of two workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from gateway.config import Config, journal_url, of_all_workers
from gateway.listening import port_kept
from gateway.siblings import Place

log = logging.getLogger("gateway.workers")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before another worker takes a dead one's place
ENDS = (signal.SIGINT, signal.SIGTERM)


class WorkersRefused(Exception):
    """The gateway cannot run with these workers, or one of them could not start."""


def refuse_unshared(config: Config, workers: int) -> None:
    """Raises WorkersRefused where the journal is one process's alone; warns where only the journal is shared."""
    if journal_url(config).startswith("sqlite:"):
        raise WorkersRefused(
            f"--workers {workers} needs a journal that processes can share, and a SQLite file belongs to one:"
            ' set journal.url = "postgresql://…", or run one worker'
        )
    if config.redis is None:
        log.warning(
            "there is no [redis]: each of the %d workers keeps rates, circuits and cached reads for itself, "
            "so that up to %d times a connection's rate is sent",
            workers,
            workers,
        )


@dataclass(eq=False)
class _Child:
    """`behind`: it may have read the config before it was changed."""

    number: int
    process: asyncio.subprocess.Process
    line: asyncio.StreamWriter
    ready: bool = False
    behind: bool = False
    why: str = ""  # it could not start

    def tell(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def end(self, number: signal.Signals) -> None:
        self.tell(number)
        self.line.close()


class Workers:
    """The parent of `count` workers on one port."""

    def __init__(self, config: Config, count: int, host: str, port: int) -> None:
        self.count, self.host, self.port = count, host, port
        self._config = config
        self._fixed = of_all_workers(config)
        self._children: dict[int, _Child] = {}
        self._began = False
        self._ending = asyncio.Event()
        self._why = ""

    async def run(self) -> None:
        """Until SIGINT or SIGTERM, and all workers have ended. Raises OSError, WorkersRefused."""
        refuse_unshared(self._config, self.count)
        with (
            self._hearing_signals(),
            port_kept(self.host, self.port) as self.port,
            tempfile.TemporaryDirectory(prefix="payout-gateway-") as folder,
        ):
            await asyncio.gather(*(self._keep(number, folder) for number in range(1, self.count + 1)))
        if self._why:
            raise WorkersRefused(self._why)

    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in ENDS:
            loop.add_signal_handler(number, self._end, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        try:
            yield
        finally:
            for number in (*ENDS, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def _keep(self, number: int, folder: str) -> None:
        """One worker, and another after each that died. One that cannot start at the beginning ends them all."""
        pause = FIRST_PAUSE
        while not self._ending.is_set():
            try:
                child = await self._lived(number, folder)
                ready, why = child.ready, child.why or f"it ended with status {child.process.returncode}"
            except OSError as error:  # the machine has no room for another process: the others serve meanwhile
                ready, why = False, str(error)
            if self._ending.is_set():
                return
            if not self._began:
                self._why = f"worker {number} could not start: {why}"
                self._end(signal.SIGTERM)
                return
            pause = FIRST_PAUSE if ready else min(2 * pause, LONGEST_PAUSE)
            log.error("worker %d is gone: %s; another starts in %g s", number, why, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)

    async def _lived(self, number: int, folder: str) -> _Child:
        """A worker from its start to its end."""
        ours, theirs = socket.socketpair()
        with theirs:
            place = Place(number, self.count, theirs.fileno(), folder, self._fixed)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command(place), pass_fds=[place.parent], start_new_session=True
                )  # a session of its own: a Ctrl-C comes to the parent alone
            except OSError:
                ours.close()
                raise
        lines, line = await asyncio.open_unix_connection(sock=ours)
        child = self._children[number] = _Child(number, process, line)
        if self._ending.is_set():  # meanwhile
            child.end(signal.SIGTERM)
        try:
            await self._hear(child, lines)
            await process.wait()
        finally:
            line.close()
            del self._children[number]
        return child

    def _command(self, place: Place) -> list[str]:
        """What was typed, and which worker it is."""
        placed = msgspec.json.encode(place).decode()
        return [sys.executable, *sys.orig_argv[1:], "--port", str(self.port), "--place", placed]

    async def _hear(self, child: _Child, lines: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):  # it died and has left something unread
            while line := await lines.readline():
                word, _, rest = line.decode().strip().partition(" ")
                if word == "ready":
                    self._is_ready(child)
                elif word == "reload":
                    self._hang_up(but=child)
                elif word == "refused":
                    child.why = rest

    def _is_ready(self, child: _Child) -> None:
        child.ready = True
        if child.behind:
            child.tell(signal.SIGHUP)
        if self._began:
            child.line.write(b"go\n")
        elif sum(each.ready for each in self._children.values()) == self.count:
            self._began = True
            log.info("%d workers take calls on %s:%d", self.count, self.host, self.port)
            for each in self._children.values():
                each.line.write(b"go\n")

    def _hang_up(self, but: _Child | None = None) -> None:
        """Each reads its config again; one that is only starting, when it is ready."""
        for child in self._children.values():
            if not child.ready:
                child.behind = True
            elif child is not but:
                child.tell(signal.SIGHUP)

    def _end(self, number: signal.Signals) -> None:
        """Passed on as it came: a second Ctrl-C cuts short what the first one waits for."""
        self._ending.set()
        for child in self._children.values():
            child.end(number)
