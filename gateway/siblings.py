"""One of several workers behind one port: what it says to its parent, and what it shows to the others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from gateway.config import STAYS, Config, Fixed, changed, of_all_workers

Show = Callable[[], Awaitable[bytes]]

HEARD_WITHIN = 2.0  # seconds; a worker that takes longer is told as not up


class Place(msgspec.Struct, frozen=True):
    """Which worker it is, of how many. `parent`: the file descriptor of the line to the parent.

    `folder`: where each worker has a socket that gives its metrics. `fixed`: what all of them were started with.
    """

    number: int
    of: int
    parent: int
    folder: str
    fixed: Fixed

    def differs(self, config: Config) -> str | None:
        """Why it cannot work beside the others with this config, or None.

        Another journal knows none of their keys, and another account none of their payouts.
        """
        paths = changed(self.fixed, of_all_workers(config))
        return f"{', '.join(paths)} {STAYS}" if paths else None


class Worker:
    """Says `ready`, `reload` or `refused …` to its parent; the parent answers `go` when all are ready."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._parent = socket.socket(fileno=place.parent)

    def refused(self, why: str) -> None:
        """It cannot start."""
        self._say(f"refused {' '.join(why.split())}")

    def reloaded(self) -> None:
        """The others shall read their config as well."""
        self._say("reload")

    @contextlib.asynccontextmanager
    async def among_others(
        self, show: Callable[[], Awaitable[bytes]], leave: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Begins when every worker is ready. `show` gives its metrics; `leave` is called once the parent is gone."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                writer.write(await show())

        async with await asyncio.start_unix_server(answer, self._socket(self.place.number)):
            parent, _ = await asyncio.open_unix_connection(sock=self._parent)
            self._say("ready")
            await parent.readline()
            orphaned = asyncio.create_task(_at_the_end(parent, leave))
            try:
                yield
            finally:
                orphaned.cancel()

    async def metrics(self) -> dict[str, bytes | None]:
        """Of every worker, this one too, by its number; None where one does not answer."""
        numbers = range(1, self.place.of + 1)
        texts = await asyncio.gather(*map(self._metrics_of, numbers))
        return {str(number): text for number, text in zip(numbers, texts, strict=True)}

    async def _metrics_of(self, number: int) -> bytes | None:
        try:
            async with asyncio.timeout(HEARD_WITHIN):
                reader, writer = await asyncio.open_unix_connection(self._socket(number))
                with contextlib.closing(writer):
                    return await reader.read() or None
        except OSError:  # it is dead, or only starting; TimeoutError is one, too
            return None

    def _socket(self, number: int) -> str:
        return str(Path(self.place.folder, str(number)))

    def _say(self, words: str) -> None:
        with contextlib.suppress(OSError):  # the parent is gone, which `among_others` hears
            self._parent.sendall(f"{words}\n".encode())


async def _at_the_end(parent: asyncio.StreamReader, leave: Callable[[], None]) -> None:
    await parent.read()
    leave()
