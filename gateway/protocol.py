"""How calls are read off a connection: uvicorn's way, with a limit to a head and a care for whose answer a 400 is."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_MOST = 64 * 1024  # bytes of a call that are not its body, before its sender is left


class Protocol(HttpToolsProtocol):
    """One connection of a caller."""

    _aside = 0  # bytes since a head was whole, or since the last one of a body

    def data_received(self, data: bytes) -> None:
        self._aside += len(data)
        super().data_received(data)
        if self._aside > HEAD_MOST and not self.transport.is_closing():
            self.send_400_response("The head is too long.")

    def on_headers_complete(self) -> None:
        self._aside = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._aside = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Says what cannot be read, unless a call before it would take that for its own answer: it may be a payout."""
        if self._under_way():
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _under_way(self) -> bool:
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        return cycle.response_started or not cycle.more_body or bool(self.pipeline)
