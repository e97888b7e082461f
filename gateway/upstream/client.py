"""The HTTP client, in one place: no environment proxies, no redirects, no retries, one small pool per connection."""

from __future__ import annotations

import ssl
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

# httpcore walks its whole pool on every request and release; beyond some tens of connections it is quadratic.
POOL = httpx.Limits(max_connections=32, max_keepalive_connections=32, keepalive_expiry=30.0)


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for the process: building it costs about 20 ms."""
    return ssl.create_default_context()


def new_client(timeout: float = 30.0) -> httpx.AsyncClient:
    """A client of its own for one connection. `timeout` in seconds, per phase; the sender bounds the whole."""
    transport = httpx.AsyncHTTPTransport(verify=_ssl_context(), limits=POOL, retries=0, trust_env=False)
    return httpx.AsyncClient(
        transport=transport,
        timeout=httpx.Timeout(timeout, connect=5.0, pool=5.0),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # a provider's cookie would tie calls together
        follow_redirects=False,
        trust_env=False,
    )
