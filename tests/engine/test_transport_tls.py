"""Connections to providers by TLS, over real sockets: whose certificate is believed, and what is sent before it is."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, cast

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.upstream import transport as transports
from gateway.upstream.bodies import read_body
from gateway.upstream.transport import Transport
from gateway.upstream.wire import BUFFERED, Answer
from tests.engine.test_transport import OK, WHOLE, Sending, anyio_backend, asked, peer

pytestmark = pytest.mark.anyio
__all__ = ["anyio_backend"]  # both event loops here, too


class Sides(NamedTuple):
    """The contexts of a server that calls itself localhost, and of a client that believes it."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    names: list[str | None]  # that clients asked for


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Sides:
    certificate = _certificate(tmp_path_factory.mktemp("tls") / "test.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    made = Sides(server, ssl.create_default_context(cafile=certificate), [])
    server.sni_callback = lambda connection, name, context: made.names.append(name)
    return made


def _certificate(path: Path) -> Path:
    """One that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem))
    return path


async def test_a_provider_that_proves_its_name_is_asked_over_one_connection(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "_ssl_context", lambda: sides.client)
    body = b"x" * 500_000
    large = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    async with peer(WHOLE, large, WHOLE, ssl=sides.server) as server, Transport() as transport:
        assert await asked(transport, server.url) == (200, b"ok")
        assert await asked(transport, server.url) == (200, body)
        assert await asked(transport, server.url) == (200, b"ok")
        assert (server.opened, len(server.heard)) == (1, 3)
    assert sides.names[-1] == "localhost"


async def test_what_comes_after_a_large_answer_is_not_the_next_requests(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "_ssl_context", lambda: sides.client)
    more = asyncio.Event()
    stray = OK + b"Content-Length: 5\r\n\r\nstray"

    async def large(writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: %d\r\n\r\n" % (BUFFERED + 1) + b"x" * (BUFFERED + 1))
        await more.wait()
        writer.write(stray)

    async with peer(large, WHOLE, ssl=sides.server) as server, Transport() as transport:
        response = await transport.handle_async_request(Sending(server.url).request)
        answer = cast("Answer", response.stream)
        while not answer.ended:  # nobody reads it yet
            await asyncio.sleep(0)
        more.set()
        async with asyncio.timeout(5):
            await server.left.wait()
        await read_body(response)
        assert await asked(transport, server.url) == (200, b"ok")
        assert server.opened == 2


async def test_an_answer_before_the_request_has_left_takes_its_connection_with_it(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "_ssl_context", lambda: sides.client)
    async with peer(WHOLE, WHOLE, ssl=sides.server) as server, Transport(silence=1.0) as transport:
        assert await Sending(server.url, content=b"x" * 2**24).over(transport) == (200, b"ok")
        assert await asked(transport, server.url) == (200, b"ok")
        assert server.opened == 2


async def test_a_certificate_that_nobody_vouches_for_ends_it_before_anything_is_sent(sides: Sides) -> None:
    async with peer(WHOLE, ssl=sides.server) as server, Transport() as transport:
        await _nothing_left(transport, server.url)
        assert server.heard == []


async def test_a_certificate_of_another_name_ends_it_before_anything_is_sent(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "_ssl_context", lambda: sides.client)
    async with peer(WHOLE, ssl=sides.server) as server, Transport() as transport:
        await _nothing_left(transport, server.url.replace("localhost", "127.0.0.1"))
        assert server.heard == []


async def _nothing_left(transport: Transport, url: str) -> None:
    sending = Sending(url)
    with pytest.raises(httpx.ConnectError):
        await sending.over(transport)
    assert not sending.started
