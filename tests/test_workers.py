"""`payout-gateway run --workers 2`: real processes over a real PostgreSQL and a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from gateway import metrics
from gateway.config import STAYS, Config, Connection, of_all_workers, parse
from gateway.siblings import Place
from gateway.workers import Workers
from tests.battery.fast_gateway import LEASE
from tests.battery.processes import (
    FAST,
    PATIENCE,
    WRITES,
    Client,
    GatewayProcess,
    Site,
    calling,
    held_by,
    site,
    until,
)
from tests.servers import shared_postgres, shared_redis

pytestmark = pytest.mark.anyio
IN_FORCE = re.compile(r'payout_gateway_config_info{hash="(\w+)",worker="(\d)"} 1.0')
SUCCEEDED = re.compile(r'payout_gateway_operations_total{.*state="succeeded",worker="(\d)"} (\d+)')


@contextlib.asynccontextmanager
async def two_workers() -> AsyncIterator[tuple[Site, GatewayProcess, Client]]:
    """Over an empty journal, and a caller of theirs."""
    journal = shared_postgres().new_database()
    shared_redis().flush()
    async with site(lambda folder: journal, LEASE, shared_redis().url) as place, calling() as calls:
        gateway = place.gateway(FAST, workers=2)
        gateway.start()
        await gateway.ready()
        yield place, gateway, Client(place.answers, calls, lambda: asyncio.sleep(0, gateway.url))


async def configs(gateway: GatewayProcess, client: Client) -> dict[str, str]:
    """Worker to the version of the config that it has in force."""
    text = (await client.calls.get(f"{gateway.url}/metrics")).text
    return {worker: version for version, worker in IN_FORCE.findall(text)}


async def both_have_another_than(before: set[str], gateway: GatewayProcess, client: Client) -> set[str]:
    async def have() -> set[str]:
        now = await configs(gateway, client)
        return set(now.values()) if len(now) == 2 and not before & set(now.values()) else set()

    return await until(have, PATIENCE, "both workers with another config", 0.1, gateway.tail)


async def test_both_workers_serve_and_one_scrape_shows_each() -> None:
    async with two_workers() as (place, gateway, client):
        counted = await until(lambda: served_by_both(place, gateway, client), PATIENCE, "answers of both workers")
        text = (await client.calls.get(f"{gateway.url}/metrics")).text
    assert sum(counted.values()) == len(place.answers.operations)
    assert [f'payout_gateway_worker_up{{worker="{each}"}} 1.0' in text for each in (1, 2, 3)] == [True, True, False]
    assert text.count("# TYPE payout_gateway_operations_total ") == 1


async def served_by_both(place: Site, gateway: GatewayProcess, client: Client) -> dict[str, int]:
    """How many creates each worker has brought to their end, once both have."""
    await asyncio.gather(*(client.write(place.job("create")) for _ in range(20)))
    text = (await client.calls.get(f"{gateway.url}/metrics")).text
    counted = {worker: int(number) for worker, number in SUCCEEDED.findall(text)}
    return counted if len(counted) == 2 else {}


async def test_whoever_is_asked_to_reload_all_workers_do() -> None:
    async with two_workers() as (place, gateway, client):
        first = set((await configs(gateway, client)).values())
        text = place.config.read_text()
        place.config.write_text(text.replace("lookup_window = 60", "lookup_window = 61"))
        answer = (await client.calls.post(f"{gateway.url}/v1/admin/reload")).json()
        second = await both_have_another_than(first, gateway, client)
        place.config.write_text(text.replace("lookup_window = 60", "lookup_window = 62"))
        gateway.hang_up()
        third = await both_have_another_than(second, gateway, client)
    assert second == {answer["config"]}
    assert len(third) == 1


async def test_a_worker_killed_while_it_writes_is_replaced_and_nothing_is_paid_twice() -> None:
    async with two_workers() as (place, gateway, client):
        before = gateway.workers_alive()
        jobs = [place.job(kind) for kind in WRITES for _ in range(4)]
        for kind in WRITES:
            for _ in jobs:
                place.fault(kind, "delay", seconds=0.8, when="after")
        writing = asyncio.gather(*map(client.write, jobs))
        await until(lambda: executed(place, len(jobs)), PATIENCE, "writes that are executed and not answered", 0.01)
        held = {each: await held_by(place, each) for each in before}
        victim = max(held, key=lambda each: len(held[each]))
        psutil.Process(victim).kill()
        await until(lambda: replaced(gateway, before), PATIENCE, "another worker", 0.1, gateway.tail)
        await asyncio.wait_for(writing, PATIENCE)
        await asyncio.gather(*(client.write(place.job(kind)) for kind in WRITES))
        await place.at_rest(ended=True)
        await place.drained()
        operations = await place.operations()
        assert held[victim], "the kill hit no send"
        assert await place.violations() == []
        assert len(operations) == len(jobs) + len(WRITES)
        assert {each.state for each in operations} == {"succeeded"}


async def executed(place: Site, most: int) -> bool:
    return len(place.executions([])) >= most


async def replaced(gateway: GatewayProcess, before: set[int]) -> bool:
    now = gateway.workers_alive()
    return len(now) == 2 and now != before


async def test_a_worker_that_cannot_come_back_is_tried_again_while_the_other_serves() -> None:
    async with two_workers() as (place, gateway, client):
        text = place.config.read_text()
        place.config.write_text("not TOML")
        psutil.Process(min(gateway.workers_alive())).kill()
        await until(lambda: told(gateway, "another starts in 1 s"), PATIENCE, "a second try", 0.05, gateway.tail)
        alone = await client.write(place.job("create"))
        place.config.write_text(text)
        before = gateway.workers_alive()
        await until(lambda: replaced(gateway, before), PATIENCE, "another worker", 0.1, gateway.tail)
        assert (await client.calls.get(f"{gateway.url}/health/ready")).status_code == 200
    assert alone == "succeeded"


async def told(gateway: GatewayProcess, words: str) -> bool:
    return gateway.count(words) > 0


async def test_a_worker_never_comes_back_over_another_journal() -> None:
    async with two_workers() as (place, gateway, client):
        text = place.config.read_text()
        place.config.write_text(text.replace(place.journal, shared_postgres().new_database()))
        psutil.Process(min(gateway.workers_alive())).kill()
        refused = "journal.url cannot change while the gateway runs: restart it"
        await until(lambda: told(gateway, refused), PATIENCE, "a worker that is refused", 0.05, gateway.tail)
        assert await client.write(place.job("create")) == "succeeded"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"bank": {"base_url": "http://127.0.0.1:2"}}, f"connections.bank {STAYS}"),
        ({"bank": {"currency": "EUR"}}, f"connections.bank {STAYS}"),
        ({"bank": {"timeout": 7.0}, "desk": {}}, None),
    ],
    ids=["another place", "another currency", "the same account, and one more"],
)
def test_a_worker_never_comes_back_with_another_account_under_a_name(
    wanted: dict[str, dict[str, Any]], why: str | None
) -> None:
    plain = Connection(provider="tokenio", base_url="http://127.0.0.1:1", credentials={})
    connections = {name: msgspec.structs.replace(plain, **changes) for name, changes in wanted.items()}
    place = Place(1, 2, 0, "", of_all_workers(Config(connections={"bank": plain})))
    assert place.differs(Config(connections=connections)) == why


async def test_an_orderly_end_ends_all_and_exits_0() -> None:
    async with two_workers() as (_, gateway, _):
        workers, process = gateway.workers_alive(), gateway.process
        await asyncio.to_thread(gateway.stop)
        assert process is not None
        assert process.returncode == 0
        assert not any(map(psutil.pid_exists, workers))


async def test_workers_do_not_outlive_their_parent() -> None:
    async with two_workers() as (_, gateway, _):
        workers = gateway.workers_alive()
        gateway.kill()

        async def gone() -> bool:
            return not any(map(psutil.pid_exists, workers))

        await until(gone, PATIENCE, "the workers' end")


class Dying(Workers):
    """Each of its workers is ready, and dies before it has read the answer. At the third all shall end.

    `full`: the machine has no room for the second.
    """

    commands, full = 0, False

    def _command(self, place: Place) -> list[str]:
        self.commands += 1
        if self.commands == 2 and self.full:
            raise BlockingIOError(errno.EAGAIN, "no room")
        if self.commands == 3:
            self._end(signal.SIGTERM)
        peek = "line.sendall(b'ready\\n'); line.recv(1, socket.MSG_PEEK)"
        return [sys.executable, "-c", f"import socket; line = socket.socket(fileno={place.parent}); {peek}"]


@pytest.mark.parametrize("full", [False, True], ids=["something was unread", "no room for the next"])
async def test_whatever_becomes_of_a_worker_its_parent_goes_on(full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.workers.FIRST_PAUSE", 0.0)
    workers = Dying(parse({"journal": {"url": "postgresql:///nowhere"}}), 1, "127.0.0.1", 0)
    workers.full = full
    await asyncio.wait_for(workers.run(), PATIENCE)
    assert workers.commands == 3


def test_what_workers_count_is_told_as_one_process_tells_it_with_a_label_more() -> None:
    metrics.operations.labels("bank", "create", "succeeded").inc(3)
    alone = metrics.exposition().decode()
    together = metrics.of_workers({"1": alone.encode(), "2": None}).decode()
    up = "payout_gateway_worker_up"
    assert [f'{up}{{worker="1"}} 1.0' in together, f'{up}{{worker="2"}} 0.0' in together] == [True, True]
    assert all('worker="' in line for line in together.splitlines() if not line.startswith("#"))
    unlabelled = re.sub(r',?worker="1"', "", together).replace("{}", "").splitlines()
    assert [line for line in unlabelled if up not in line] == alone.splitlines()


def test_a_workers_command_line_shows_no_word_of_the_config() -> None:
    urls = {
        "journal": {"url": "postgresql://gateway:test-password@db/payouts"},
        "redis": {"url": "redis://:test-word@r"},
    }
    shown = str(of_all_workers(parse(urls)))
    assert [word for word in ("test-password", "test-word") if word in shown] == []
    assert (
        Place(1, 2, 0, "", of_all_workers(parse(urls))).differs(parse({**urls, "journal": {}}))
        == f"journal.url {STAYS}"
    )


def run(config: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "run", "--config", str(config), "--port", "0", "--workers", "2", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_workers_over_sqlite_are_refused_with_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(f'[journal]\nurl = "sqlite:///{tmp_path}/journal.db"\n')
    done = run(config)
    assert done.returncode == 1
    assert "a SQLite file belongs to one" in done.stderr and done.stderr.startswith("Error: ")
    assert 'set journal.url = "postgresql://…", or run one worker' in done.stderr


def test_a_worker_that_cannot_start_ends_all_with_its_message_once(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    url = shared_postgres().new_database(ENCODING="'SQL_ASCII'", TEMPLATE="template0")
    config.write_text(f'[journal]\nurl = "{url}"\n')
    done = run(config)
    assert done.returncode == 1
    assert done.stderr.count("create the database with ENCODING 'UTF8'") == 1
    assert "Traceback" not in done.stderr
    assert "there is no [redis]" in done.stderr
