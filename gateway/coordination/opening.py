"""Which coordination the config asks for."""

from __future__ import annotations

from gateway.coordination.interface import Coordination
from gateway.coordination.local import LocalCoordination
from gateway.coordination.policy import Policy


async def open_coordination(url: str | None, policy: Policy | None = None) -> Coordination:
    """A Redis that does not answer keeps nobody from starting. Raises RedisUrlInvalid."""
    if url is None:
        return LocalCoordination(policy)
    # Whoever has no Redis needs no client: it is 7 MB.
    from gateway.coordination.shared import RedisCoordination

    coordination = RedisCoordination(url, policy)
    await coordination.start()
    return coordination
