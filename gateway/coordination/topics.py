"""Wake-ups inside one process: who waits for which topic."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

WAITING_MOST = 128  # wake-ups that a slow subscriber may have waiting; the oldest are lost first


class Subscription:
    """The wake-ups of one topic, for one reader: `async for payload in subscription`, or `next` with a timeout."""

    def __init__(self, topics: Topics, topic: str) -> None:
        self.topic = topic
        self._topics = topics
        self._waiting: deque[str] = deque(maxlen=WAITING_MOST)
        self._heard = asyncio.Event()
        self._closed = False

    async def next(self, within: float | None = None) -> str | None:
        """The next payload. None: nothing came in time, or the subscription is closed."""
        try:
            async with asyncio.timeout(within):
                await self._heard.wait()
        except TimeoutError:
            return None
        if not self._waiting:
            return None
        payload = self._waiting.popleft()
        if not self._waiting and not self._closed:
            self._heard.clear()
        return payload

    def tell(self, payload: str) -> None:
        self._waiting.append(payload)
        self._heard.set()

    def close(self) -> None:
        self._topics.forget(self)
        self._closed = True
        self._heard.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> str:
        payload = await self.next()
        if payload is None:
            raise StopAsyncIteration
        return payload

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Topics:
    """All subscriptions of this process."""

    def __init__(self) -> None:
        self._subscribed: dict[str, set[Subscription]] = {}

    def subscribe(self, topic: str) -> Subscription:
        subscription = Subscription(self, topic)
        self._subscribed.setdefault(topic, set()).add(subscription)
        return subscription

    def tell(self, topic: str, payload: str) -> None:
        for subscription in self._subscribed.get(topic, ()):
            subscription.tell(payload)

    def forget(self, subscription: Subscription) -> None:
        subscribed = self._subscribed.get(subscription.topic, set())
        subscribed.discard(subscription)
        if not subscribed:
            self._subscribed.pop(subscription.topic, None)

    def close(self) -> None:
        for subscription in [each for all_of_one in self._subscribed.values() for each in all_of_one]:
            subscription.close()
