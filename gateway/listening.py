"""The port that the gateway listens on, by itself or with several workers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


def listener(host: str, port: int, shared: bool = False) -> socket.socket:
    """A bound socket, so that a port in use is said at once. `shared`: among workers. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only then; without it answers wait 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}; try another --port") from None
    return bound


@contextlib.contextmanager
def port_kept(host: str, port: int) -> Iterator[int]:
    """The port, which stays ours while workers come and go. Raises OSError where it is in use."""
    with listener(host, port) as alone:  # a shared socket would not notice another gateway's
        found: int = alone.getsockname()[1]
    with listener(host, found, shared=True):  # it does not listen, so that no connection comes to it
        yield found
