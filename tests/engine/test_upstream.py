"""Whether anything was sent is read from the transport's own trace, never from an exception's name."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
import respx

from contracts.simulator.demo import ACCOUNTS
from contracts.simulator.server import RunningSimulator, running
from gateway.upstream import Contradicted, NotSent, Refused, Unclear, Upstream, UpstreamFailed
from gateway.upstream.retrying import MOST, TRIES
from gateway.upstream.transport import Transport
from providers.heldsway import Heldsway, KeyPair
from providers.ledger import Credentials, Ledger
from providers.sdk import Account, Call, Mark, RefusalKind, Reply, Secret
from tests.engine.test_transport import OK, Last, peer

pytestmark = pytest.mark.anyio

MARK = Mark(reference="TXN-1")
FILE: Call[Reply] = Call("GET", "/file", reads=lambda reply: reply, operation="file", accept="text/csv")


@pytest.fixture
async def ledger() -> AsyncIterator[RunningSimulator]:
    async with running("ledger") as server:
        yield server


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with Transport() as made:
        yield made


def upstream(base_url: str, transport: httpx.AsyncBaseTransport, seconds: float = 5.0) -> Upstream:
    token = Secret(ACCOUNTS["aff"].credentials["access_token"])
    return Upstream(Ledger(Account("USD")), base_url, lambda: (Credentials(token),), transport, timeout=seconds)


@pytest.mark.parametrize(
    "base_url",
    ["http://127.0.0.1:1", "http://nothing.invalid", "http://127.0.0.1:99999", "https://127.0.0.1:{port}"],
    ids=["refused", "no such name", "no such port", "TLS to a plain port"],
)
async def test_what_never_left_is_not_sent(base_url: str, ledger: RunningSimulator, transport: Transport) -> None:
    url = base_url.format(port=ledger.url.rpartition(":")[2])
    outcome = await upstream(url, transport).send(Ledger(Account()).complete("po_test_0002", MARK))
    assert isinstance(outcome, NotSent)
    assert outcome.evidence.started is False
    assert not list(ledger.simulator.log)


UNCLEAR = ["reset", "close", "truncate", "junk", "html", "empty", "redirect", "bom", "bad_utf8", "deep", "gzip"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", ["reset", "close", "redirect"])
async def test_a_broken_answer_is_unclear_whether_or_not_it_was_executed(
    fault: str, when: str, ledger: RunningSimulator, transport: Transport
) -> None:
    ledger.simulator.add_fault(fault, when=when)
    outcome = await upstream(ledger.url, transport).send(Ledger(Account()).complete("po_test_0002", MARK))
    assert isinstance(outcome, Unclear)
    assert outcome.evidence.started is True
    assert len(list(ledger.simulator.log)) == 1, "a write that may have left never goes out again by itself"


@pytest.mark.parametrize("fault", [name for name in UNCLEAR if name not in ("reset", "close", "redirect")])
async def test_an_unreadable_success_is_unclear(fault: str, ledger: RunningSimulator, transport: Transport) -> None:
    ledger.simulator.add_fault(fault)
    outcome = await upstream(ledger.url, transport).send(Ledger(Account()).complete("po_test_0002", MARK))
    assert isinstance(outcome, Unclear)
    assert outcome.evidence.started is True


@pytest.mark.parametrize("fault", ["wrong_id", "wrong_reference"])
async def test_an_answer_about_something_else_is_a_contradiction(
    fault: str, ledger: RunningSimulator, transport: Transport
) -> None:
    ledger.simulator.add_fault(fault)
    outcome = await upstream(ledger.url, transport).send(Ledger(Account()).complete("po_test_0002", MARK))
    assert isinstance(outcome, Contradicted)


@pytest.mark.parametrize("status", [408, 409, 418, 451, 500, 501, 502, 503, 504, 520])
async def test_a_status_that_the_contract_does_not_list_is_unclear(
    status: int, ledger: RunningSimulator, transport: Transport
) -> None:
    ledger.simulator.add_fault("status", status=status)
    outcome = await upstream(ledger.url, transport).send(Ledger(Account()).complete("po_test_0002", MARK))
    assert isinstance(outcome, Unclear)
    assert outcome.evidence.status == status


async def test_a_documented_refusal_is_one(ledger: RunningSimulator, transport: Transport) -> None:
    outcome = await upstream(ledger.url, transport).send(Ledger(Account()).complete("po_unknown", MARK))
    assert isinstance(outcome, Refused)
    assert outcome.refusal.kind is RefusalKind.NOT_FOUND


async def test_a_hanging_provider_is_left_at_the_deadline(ledger: RunningSimulator, transport: Transport) -> None:
    ledger.simulator.add_fault("hang", seconds=30)
    outcome = await upstream(ledger.url, transport, 0.2).send(Ledger(Account()).complete("po_test_0002", MARK))
    assert isinstance(outcome, Unclear)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 404 -\r\nContent-Length: 999\r\n\r\n"], ids=["head", "error"])
async def test_a_file_that_comes_byte_by_byte_begins_before_the_deadline(begun: bytes, transport: Transport) -> None:
    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(begun or OK + b"X-Test: ")
        while not writer.transport.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.02)

    async with peer(dripping) as server, asyncio.timeout(5):
        with pytest.raises(UpstreamFailed, match="TimeoutError"):
            await upstream(server.url, transport, 0.2).open(FILE)


async def test_a_file_whose_end_is_only_the_connections_is_none(transport: Transport) -> None:
    async with peer(Last(OK + b"Content-Type: text/csv\r\n\r\nid,amount\r\n1,")) as server:
        with pytest.raises(UpstreamFailed, match="not the file"):
            await upstream(server.url, transport).open(FILE)


async def test_a_reply_that_never_ends_is_cut(ledger: RunningSimulator, transport: Transport) -> None:
    ledger.simulator.add_fault("huge", megabytes=4)
    outcome = await upstream(ledger.url, transport).send(Ledger(Account()).complete("po_test_0002", MARK))
    assert isinstance(outcome, Unclear)


async def test_a_paused_process_comes_too_late_to_send(ledger: RunningSimulator, transport: Transport) -> None:
    call = Ledger(Account()).complete("po_test_0002", MARK)
    outcome = await upstream(ledger.url, transport).send(call, before=0.0)
    assert isinstance(outcome, NotSent)
    assert not list(ledger.simulator.log)


async def test_whoever_got_a_connection_too_late_sends_nothing(
    ledger: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Transport):
        """Each request waits a second for its connection."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            clock.monotonic.return_value += 1.0
            return await super().handle_async_request(request)

    clock = Mock(monotonic=Mock(return_value=0.0))
    monkeypatch.setattr("gateway.upstream.sender.time", clock)
    async with Slow() as transport:
        outcome = await upstream(ledger.url, transport).send(Ledger(Account()).complete("po_test_0002", MARK), 0.5)
    assert isinstance(outcome, NotSent)
    assert (outcome.ours, outcome.evidence.started) == (True, False)
    assert not list(ledger.simulator.log)


async def test_a_read_is_tried_again_within_its_budget(ledger: RunningSimulator, transport: Transport) -> None:
    ledger.simulator.add_fault("reset", when="before", times=TRIES - 1)
    found = await upstream(ledger.url, transport).read(Ledger(Account()).get("po_test_0002"))
    assert found.id == "po_test_0002"


async def test_the_retry_budget_ends(ledger: RunningSimulator, transport: Transport) -> None:
    ledger.simulator.add_fault("status", status=503, times=None)
    sender = upstream(ledger.url, transport)
    reads = 20
    for _ in range(reads):
        with pytest.raises(UpstreamFailed):
            await sender.read(Ledger(Account()).get("po_test_0002"))
    asked = len(list(ledger.simulator.log))
    assert asked <= reads + MOST + reads * 0.1 + 1


async def test_a_cancelled_caller_leaves_no_connection_behind(ledger: RunningSimulator, transport: Transport) -> None:
    ledger.simulator.add_fault("hang", seconds=30)
    sender = upstream(ledger.url, transport)
    task = asyncio.create_task(sender.send(Ledger(Account()).complete("po_test_0002", MARK)))
    while not list(ledger.simulator.log):
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    found = await sender.read(Ledger(Account()).get("po_test_0002"))
    assert found.id == "po_test_0002"


async def test_a_token_is_minted_once_for_many_and_again_once_after_a_401(transport: Transport) -> None:
    async with running("heldsway") as server:
        keys = KeyPair(Secret("test-heldsway-key"), Secret("test-heldsway-secret"))
        sender = Upstream(Heldsway(Account("USD")), server.url, lambda: (keys,), transport)
        await asyncio.gather(*(sender.read(sender.provider.get("42")) for _ in range(8)))
        assert _logins(server) == 1
        server.simulator.revoke()
        await sender.read(sender.provider.get("42"))
        assert _logins(server) == 2


async def test_a_refused_login_sends_nothing_else(transport: Transport) -> None:
    async with running("heldsway") as server:
        keys = KeyPair(Secret("test-wrong"), Secret("test-wrong"))
        sender = Upstream(Heldsway(Account("USD")), server.url, lambda: (keys,), transport)
        outcome = await sender.send(sender.provider.complete("42", MARK))
        assert isinstance(outcome, Refused)
        assert outcome.evidence.started is False
        assert [entry.operation for entry in server.simulator.log] == ["create_access_token"]


async def test_a_crowd_waits_for_a_login_that_hangs_no_longer_than_one(transport: Transport) -> None:
    keys = KeyPair(Secret("test-heldsway-key"), Secret("test-heldsway-secret"))
    async with peer() as server:
        sender = Upstream(Heldsway(Account("USD")), server.url, lambda: (keys,), transport, timeout=0.2)
        async with asyncio.timeout(1.0):
            outcomes = await asyncio.gather(*(sender.send(sender.provider.get("42")) for _ in range(20)))
    assert [(type(each), each.evidence.started) for each in outcomes] == [(NotSent, False)] * 20


async def test_what_was_refused_at_the_door_has_left_even_where_no_login_follows(transport: Transport) -> None:
    async with running("heldsway") as server:
        keys = KeyPair(Secret("test-heldsway-key"), Secret("test-heldsway-secret"))
        sender = Upstream(Heldsway(Account("USD")), server.url, lambda: (keys,), transport)
        await sender.read(sender.provider.get("42"))
        server.simulator.revoke()
        server.simulator.add_fault("unauthorized", operation="create_access_token", times=None)
        outcome = await sender.send(sender.provider.complete("42", MARK))
        assert isinstance(outcome, Refused)
        assert outcome.evidence.started is True


def _logins(server: RunningSimulator) -> int:
    return sum(entry.operation == "create_access_token" for entry in server.simulator.log)


async def test_secrets_leave_only_as_headers_and_the_path_is_the_one_that_was_built() -> None:
    router = respx.Router()
    route = router.get("https://ledger.example.test/base/v1/payouts/po_1").respond(
        404, json={"error": "x", "message": "y"}
    )
    sender = upstream("https://ledger.example.test/base/", httpx.MockTransport(router.async_handler))
    outcome: Any = await sender.send(Ledger(Account()).get("po_1"))
    assert isinstance(outcome, Refused)
    request = route.calls.last.request
    assert request.headers["accept-encoding"] == "identity"
    assert "test-ledger-token" not in str(request.url)
    assert "test-ledger-token" not in repr(outcome)


async def test_a_providers_cookie_is_not_sent_back(transport: Transport) -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 404 Not Found\r\nSet-Cookie: test=1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        sender = upstream(f"http://127.0.0.1:{port}", transport)
        for _ in range(2):
            await sender.send(Ledger(Account()).get("po_test_0002"))
    assert len(heard) == 2
    assert b"cookie" not in heard[1].lower()


@pytest.mark.parametrize("path", [".elsewhere.test/v1/payouts/po_test_0002", "/v1/payouts/po_test_0002#1"])
async def test_a_path_that_would_become_another_sends_nothing(
    path: str, ledger: RunningSimulator, transport: Transport
) -> None:
    call = dataclasses.replace(Ledger(Account()).get("po_test_0002"), path=path)
    assert isinstance(await upstream(ledger.url, transport).send(call), NotSent)


async def test_credentials_that_no_header_can_carry_send_nothing(
    ledger: RunningSimulator, transport: Transport
) -> None:
    sender = Upstream(Ledger(Account("USD")), ledger.url, lambda: (Credentials(Secret("test-ключ")),), transport)
    outcome = await sender.send(Ledger(Account()).complete("po_test_0002", MARK))
    assert isinstance(outcome, NotSent)
    assert not list(ledger.simulator.log)


async def test_a_kept_connection_that_the_provider_has_closed_is_not_used_again(transport: Transport) -> None:
    ended: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()  # and no word of it in the answer
        ended.append(writer)

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        sender = upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", transport)
        for _ in range(50):
            assert isinstance(await sender.send(sender.provider.complete("po_test_0002", MARK)), Refused)
    assert len(ended) == 50


async def test_an_answer_that_nobody_asked_for_is_not_the_next_requests(transport: Transport) -> None:
    asked, stray = 0, list[asyncio.StreamWriter]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                asked += 1
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                stray.append(writer)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        sender = upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", transport)
        for number in range(1, 4):
            outcome = await sender.send(sender.provider.get("po_test_0002"))
            assert isinstance(outcome, Refused), outcome
            assert asked == number
            stray[-1].write(STRAY)  # while the connection is idle
            await stray[-1].drain()
            await asyncio.sleep(0)


STRAY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
