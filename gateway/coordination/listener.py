"""Hears what other gateways say: one pub/sub connection per process, opened again for as long as it takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from gateway.coordination.policy import Patience

SILENT_MOST = 3  # heartbeats without a sign of life, not even to a ping


class Silent(Exception):
    """The connection is there and nothing comes: the server is stopped, or the line is dead."""


class Listener:
    """`hear` gets each message; `beat` runs about once per heartbeat while the connection lives."""

    def __init__(
        self,
        client: Redis,
        channel: str,
        patience: Patience,
        hear: Callable[[bytes], None],
        beat: Callable[[], Awaitable[None]],
    ) -> None:
        self._client = client
        self._channel = channel
        self._patience = patience
        self._hear = hear
        self._beat = beat
        self._pause = patience.first_pause
        self._beat_at = 0.0

    async def run(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception:  # whatever broke it, a new connection is the remedy
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, self._patience.longest_pause)

    async def _listen(self) -> None:
        async with self._client.pubsub() as heard:
            async with asyncio.timeout(self._patience.connect):
                await heard.subscribe(self._channel)
            silent = 0
            while silent < SILENT_MOST:
                message = await heard.get_message(timeout=self._patience.heartbeat)
                silent = 0 if message else silent + 1
                if message is None:
                    await heard.ping()
                else:
                    await self._handle(message)
        raise Silent

    async def _handle(self, message: dict[str, Any]) -> None:
        self._pause = self._patience.first_pause
        if message["type"] == "message":
            self._hear(message["data"])
        if message["type"] == "subscribe" or time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + self._patience.heartbeat
            await self._beat()
