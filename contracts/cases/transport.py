"""How a line may break, and whether anything of the request had left by then."""

from __future__ import annotations

# Name of the fault to whether it comes before the first byte of the request leaves.
FAULTS = {
    "name not resolved": True,
    "connection refused": True,
    "connect timeout": True,
    "TLS handshake failed": True,
    "no connection free": True,
    "write timeout": False,
    "connection reset while writing": False,
    "read timeout": False,
    "connection reset before the answer": False,
    "closed without an answer": False,
    "answer is no HTTP": False,
    "connection reset after the headers": False,
    "body cut": False,
    "body too slow": False,
}


def leaves_nothing(fault: str) -> bool:
    """Whether a fault comes before anything has left."""
    return FAULTS[fault]
