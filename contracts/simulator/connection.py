"""One request's connection: reads the body, writes an answer, or breaks the connection on purpose."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from contracts.simulator.wire import Answer, Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Under this name the server's protocol leaves the transport in the ASGI scope.
TRANSPORT = "contracts.simulator.transport"
_CHUNK = 1 << 18
_LINGER_NOT = struct.pack("ii", 1, 0)


class NeedsSocket(RuntimeError):
    """The fault breaks a TCP connection, and in process there is none."""


class ClientLeft(Exception):
    """The client hung up before its body was complete."""


class Connection:
    """`replied` is the status that went out, or None."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self.replied: int | None = None

    def head(self) -> Request:
        """The request without its body."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in self._scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        raw_path = self._scope.get("raw_path") or self._scope["path"].encode()
        path = raw_path.partition(b"?")[0].decode("latin-1")
        query = self._scope.get("query_string", b"").decode("latin-1")
        return Request(self._scope["method"].upper(), path, query, headers)

    async def whole(self, head: Request) -> Request:
        body = bytearray()
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return replace(head, body=bytes(body))

    async def answer(self, answer: Answer) -> None:
        await self._start(answer)
        for at in range(0, len(answer.body), _CHUNK):
            await self._part(answer.body[at : at + _CHUNK])
        await self._part(b"", more=False)

    async def drip(self, answer: Answer, seconds: float) -> None:
        await self._start(answer)
        for at in range(len(answer.body)):
            await self._part(answer.body[at : at + 1])
            await asyncio.sleep(seconds)
        await self._part(b"", more=False)

    async def truncate(self, answer: Answer) -> None:
        self._transport()
        await self._start(answer)
        await self._part(answer.body[: len(answer.body) // 2])
        await self.close()

    async def close(self) -> None:
        """FIN, after whatever was written."""
        self._transport().close()
        await self._gone()

    async def reset(self) -> None:
        """RST: with a linger of nothing, closing throws away what was not sent and tells the client so."""
        transport = self._transport()
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
        await self._gone()

    async def hang(self, seconds: float) -> None:
        self._transport()
        try:
            await asyncio.wait_for(self._gone(), seconds)
        except TimeoutError:
            await self.close()

    async def _start(self, answer: Answer) -> None:
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
        if answer.media is not None:
            headers.append((b"content-type", answer.media.encode()))
        headers.append((b"content-length", str(len(answer.body)).encode()))
        headers.append((b"date", formatdate(usegmt=True).encode()))
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})
        self.replied = answer.status

    async def _part(self, body: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _transport(self) -> asyncio.Transport:
        # uvloop's transports are asyncio's by shape, not by class.
        transport: asyncio.Transport | None = self._scope.get("extensions", {}).get(TRANSPORT)
        if transport is None:
            raise NeedsSocket("this fault needs a real connection; start the simulator by RunningSimulator")
        return transport
