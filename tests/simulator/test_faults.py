"""Each fault does what its table says, over real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from contracts.simulator import FAULTS, PROVIDERS, Simulator
from contracts.simulator.connection import NeedsSocket
from contracts.simulator.server import RunningSimulator, running
from tests.simulator.conftest import READS, WRITES, Open

pytestmark = [pytest.mark.anyio, pytest.mark.enable_socket]

# What the matrix asks for, so that no test waits long or moves much.
_SMALL: dict[str, dict[str, Any]] = {
    "delay": {"seconds": 0.01},
    "hang": {"seconds": 0.01},
    "huge": {"megabytes": 1},
    "drip": {"milliseconds": 0},
    "late": {"seconds": 0.01},
    "rate_limited": {"retry_after": 7},
}
_BROKEN = {"reset", "close", "hang", "late"}
# There is no reference at FirstPromoter, so there is none to spoil.
_NOT_THERE = {("firstpromoter", "wrong_reference")}


class Provider:
    """A running simulator and a client of it."""

    def __init__(self, server: RunningSimulator, client: httpx.AsyncClient) -> None:
        self.simulator = server.simulator
        self.url = server.url
        self.client = client
        self.name = self.simulator.description.name

    async def write(self) -> httpx.Response:
        _, method, path, body = WRITES[self.name]
        return await self.client.request(method, path, json=body)

    async def read(self) -> httpx.Response:
        _, method, path, body = READS[self.name]
        return await self.client.request(method, path, json=body)

    def fault(self, kind: str, **params: Any) -> None:
        self.simulator.add_fault(kind, **params)

    @property
    def executed(self) -> int:
        return len(self.simulator.log.executed())


@pytest.fixture
async def served(provider: str) -> AsyncIterator[Provider]:
    async with running(provider) as server:
        headers = dict(server.simulator.description.credentials)
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=5, trust_env=False) as client:
            yield Provider(server, client)
        assert not server.simulator.violations


ledger_only = pytest.mark.parametrize("provider", ["ledger"])
tokenio_only = pytest.mark.parametrize("provider", ["tokenio"])
CELLS = [(kind, when) for kind, known in FAULTS.items() for when in known.when if kind != "read_lag"]


@pytest.mark.parametrize(("kind", "when"), CELLS)
async def test_the_matrix(kind: str, when: str, served: Provider) -> None:
    """Every fault at every moment at every provider: is the write executed, is the fault noted, is it over?"""
    if (served.name, kind) in _NOT_THERE:
        with pytest.raises(ValueError, match="no reference"):
            served.fault(kind, when=when)
        return
    served.fault(kind, operation=WRITES[served.name][0], when=when, **_SMALL.get(kind, {}))
    if kind in _BROKEN:
        with pytest.raises(httpx.TransportError):
            await served.write()
        await asyncio.sleep(0.05 if kind == "late" else 0)
    elif kind == "truncate":
        with pytest.raises(httpx.RemoteProtocolError):
            await served.write()
    elif kind == "gzip":
        with pytest.raises(httpx.DecodingError):
            await served.write()
    else:
        await served.write()
    entry = next(iter(served.simulator.log))
    assert entry.fault == kind
    assert (entry.status is None) is (kind in _BROKEN)
    assert entry.executed is (when == "after" or kind in ("delay", "late"))
    assert (await served.write()).status_code in (200, 409)
    assert len(served.simulator.log) == 2


@ledger_only
async def test_reset_and_close_differ(served: Provider) -> None:
    served.fault("reset")
    with pytest.raises(httpx.ReadError) as reset:
        await served.read()
    assert "ConnectionResetError" in repr(_causes(reset.value))
    served.fault("close")
    with pytest.raises(httpx.RemoteProtocolError):
        await served.read()


def _causes(error: BaseException | None) -> list[BaseException]:
    return [] if error is None else [error, *_causes(error.__cause__ or error.__context__)]


@ledger_only
async def test_a_hanging_call_ends_when_the_client_leaves(served: Provider) -> None:
    served.fault("hang", when="after")
    with pytest.raises(httpx.ReadTimeout):
        await served.client.post("/v1/admin/payouts/po_test_0001/approve", timeout=0.1)
    assert served.executed == 1
    assert (await served.read()).status_code == 200


@ledger_only
async def test_delay(served: Provider) -> None:
    for when in ("before", "after"):
        served.fault("delay", seconds=0.1, when=when)
        started = time.monotonic()
        assert (await served.read()).status_code == 200
        assert time.monotonic() - started >= 0.1


@ledger_only
async def test_late_executes_after_the_connection_is_gone(served: Provider) -> None:
    served.fault("late", seconds=0.1, then="close")
    with pytest.raises(httpx.RemoteProtocolError):
        await served.write()
    assert served.executed == 0
    await asyncio.sleep(0.15)
    assert served.executed == 1


@ledger_only
async def test_a_reset_forgets_late_writes(served: Provider) -> None:
    served.fault("late", seconds=0.05)
    with pytest.raises(httpx.TransportError):
        await served.write()
    served.simulator.reset()
    await asyncio.sleep(0.1)
    assert len(served.simulator.log) == 0


async def test_edits_leave_a_valid_body(served: Provider) -> None:
    right = (await served.read()).json()
    fields = served.simulator.description.fields
    for field in ("id", "status", "amount", "reference"):
        if (served.name, f"wrong_{field}") in _NOT_THERE:
            continue
        served.fault(f"wrong_{field}")
        wrong = (await served.read()).json()
        path = getattr(fields, field)
        one, other = (served.simulator.description.payouts_in(body)[0] for body in (right, wrong))
        if path[0] in one:  # the ledger's reduced payout has no reference
            assert _dig(one, path) != _dig(other, path)
        operation = served.simulator.document.operations[READS[served.name][0]]
        assert not served.simulator.document.response_faults(operation, 200, "application/json", wrong)
    assert (await served.read()).json() == right


def _dig(body: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        body = body[name]
    return body


async def test_status_words(served: Provider) -> None:
    served.fault("unknown_status")
    served.fault("wrong_status", to="test_other")
    for word in ("test_unheard_of", "test_other"):
        body = (await served.read()).json()
        assert served.simulator.description.payouts_in(body)[0]["status"] == word


@tokenio_only
async def test_spoiled_bodies(served: Provider) -> None:
    right = (await served.read()).content

    async def spoiled(kind: str, **params: Any) -> httpx.Response:
        served.fault(kind, **params)
        return await served.read()

    assert (await spoiled("bom")).content == b"\xef\xbb\xbf" + right
    with pytest.raises(UnicodeDecodeError):
        (await spoiled("bad_utf8")).content.decode()
    with pytest.raises(RecursionError):
        json.loads((await spoiled("deep")).content)
    assert len((await spoiled("huge", megabytes=2)).content) == 2_000_002
    assert (await spoiled("drip", milliseconds=0.1)).content == right
    assert (await spoiled("null_body")).json() is None
    assert (await spoiled("array_body")).json() == [1]
    assert (await spoiled("empty")).content == b""
    reply = await spoiled("content_type", media="text/html")
    assert (reply.content, reply.headers["content-type"]) == (right, "text/html")
    assert (await spoiled("html")).headers["content-type"] == "text/html"
    reply = await spoiled("redirect", location="/payouts")
    assert (reply.status_code, reply.headers["location"]) == (307, "/payouts")
    with pytest.raises(json.JSONDecodeError):
        (await spoiled("junk")).json()
    doubled = json.loads((await spoiled("duplicate_keys")).content, object_pairs_hook=list)
    ids = [value for name, value in doubled[0][1] if name == "id"]
    assert ids == ["po:test0001:sin", "po:test0001:sim"]


async def test_refusals_in_the_providers_shape(served: Provider) -> None:
    operation = served.simulator.document.operations[READS[served.name][0]]
    for kind, status in (("unauthorized", 401), ("rate_limited", 429)):
        served.fault(kind, **({"retry_after": 30} if status == 429 else {}))
        reply = await served.read()
        assert (reply.status_code, reply.headers.get("retry-after")) == (
            status,
            "30" if status == 429 else None,
        )
        if operation.documents(status) and reply.content:
            media = reply.headers["content-type"]
            assert not served.simulator.document.response_faults(operation, status, media, reply.json())


@ledger_only
async def test_status_with_a_body_of_ones_own(served: Provider) -> None:
    served.fault("status", status=503, body={"a": 1}, headers={"Retry-After": "9"})
    reply = await served.read()
    assert (reply.status_code, reply.json(), reply.headers["retry-after"]) == (503, {"a": 1}, "9")
    served.fault("status", status=502)
    assert (await served.read()).status_code == 502


@tokenio_only
async def test_reads_that_lag(served: Provider) -> None:
    made = (await served.write()).json()["payout"]["id"]
    served.fault("read_lag", seconds=60, times=2)
    assert (await served.client.get(f"/payouts/{made}")).status_code == 404
    assert (await served.client.get("/payouts?limit=200&refIds=order-1")).json()["payouts"] == []
    assert (await served.client.get(f"/payouts/{made}")).status_code == 200


@pytest.mark.parametrize("provider", ["heldsway"])
async def test_reads_that_show_the_past(served: Provider) -> None:
    served.fault("read_lag", seconds=0.1, times=None)
    await asyncio.sleep(0.11)
    assert (await served.write()).json()["data"]["status"] == "completed"
    assert (await served.read()).json()["data"]["status"] == "pending"
    await asyncio.sleep(0.11)
    assert (await served.read()).json()["data"]["status"] == "completed"
    served.simulator.faults.clear()
    served.fault("read_lag", seconds=0.1, hide_only=True)
    assert (await served.client.post("/v1/payouts/43/complete")).status_code == 200
    assert (await served.client.get("/v1/payouts/43")).json()["data"]["status"] == "completed"


@tokenio_only
async def test_an_early_reply_comes_before_the_body(served: Provider) -> None:
    served.fault("early_reply", operation="create_payout")
    host, port = served.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /payouts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    line = await asyncio.wait_for(reader.readline(), 2)
    assert b"503" in line
    writer.close()
    await writer.wait_closed()
    assert served.executed == 0


@ledger_only
async def test_a_client_that_leaves_in_its_body_does_nothing(served: Provider) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    path = WRITES["ledger"][2]
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf".encode())
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.05)
    (entry,) = served.simulator.log
    assert (entry.executed, entry.status) == (False, None)


@ledger_only
async def test_faults_wait_for_their_operation_and_their_turn(served: Provider) -> None:
    served.fault("status", operation="approve_payout", times=2)
    served.fault("empty", operation="approve_payout")
    assert (await served.read()).status_code == 200
    approve = "/v1/admin/payouts/po_test_0001/approve"
    statuses = [(await served.client.post(approve)).status_code for _ in range(4)]
    assert statuses == [500, 500, 200, 200]
    assert [entry.fault for entry in served.simulator.log] == [None, "status", "status", "empty", None]


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "unheard"},
        {"fault": "truncate", "when": "before"},
        {"fault": "delay", "minutes": 1},
        {"fault": "delay", "operation": "unheard"},
        {"fault": "delay", "times": 0},
        {"fault": "late", "then": "unheard"},
        {},
    ],
)
async def test_faults_that_make_no_sense(fault: dict[str, Any], opened: Open) -> None:
    simulator = Simulator("ledger")
    assert (await opened(simulator).post("/_control/faults", json=fault)).status_code == 400
    assert simulator.faults.as_json() == []


@pytest.mark.parametrize("kind", [kind for kind, known in FAULTS.items() if known.needs_socket])
async def test_in_process_a_broken_connection_is_refused_clearly(kind: str, opened: Open) -> None:
    simulator = Simulator("ledger")
    simulator.add_fault(kind)
    with pytest.raises(NeedsSocket, match="RunningSimulator"):
        await opened(simulator).get("/v1/admin/payouts")
    simulator.cancel_late()


def test_the_docstring_lists_every_fault() -> None:
    from contracts.simulator import faults

    assert faults.__doc__ is not None
    rows = [line.split("|")[1:5] for line in faults.__doc__.splitlines() if line.startswith("| ")][1:]
    shown = {row[0].strip(): tuple(cell.strip() == "x" for cell in row[1:]) for row in rows}
    assert shown == {
        kind: ("before" in known.when, "after" in known.when, known.needs_socket) for kind, known in FAULTS.items()
    }


def test_every_provider_is_there() -> None:
    assert list(PROVIDERS) == ["ledger", "firstpromoter", "heldsway", "tokenio"]
