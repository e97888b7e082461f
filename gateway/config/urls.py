"""What is wrong with a URL that the gateway is to call."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit


def url_faults(path: str, url: str) -> Iterator[tuple[str, str]]:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        yield path, "is not a URL"
        return
    if parts.scheme not in ("https", "http") or not host:
        yield path, "must be an https URL"
    elif parts.scheme == "http" and host not in ("127.0.0.1", "localhost", "::1"):
        yield path, "plain http is allowed for loopback only"
    if "@" in parts.netloc or "?" in url or "#" in url:  # empty ones, too: what is appended would be no path
        yield path, "holds no user, query or fragment"
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        yield path, "holds no dot segments"
