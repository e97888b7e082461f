"""A bulk mark of 10,000 ids over a real gateway and simulators: `python -m tests.bench.bulk --ids 10000`."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import click
import httpx
import msgspec
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gateway.store.interface import Transaction
from tests.battery.processes import PRODUCT, SEED_OF, GatewayProcess, Site, site, until
from tests.conftest import TEST_KEY, order

PATIENCE = 1800.0
PATH = "/v1/payouts/bulk/complete"
OPEN = "SELECT state, COUNT(*) FROM operation WHERE item <> '' GROUP BY state"


class Figures(msgspec.Struct):
    """Seconds, milliseconds of a single create on another connection, and megabytes (PSS)."""

    ids: int = 0
    connection: str = ""
    prefer: str = ""
    answered_s: float = 0
    answer_mb: float = 0
    answered: dict[str, int] = {}
    ended_s: float = 0
    ended: dict[str, int] = {}
    sending_most: int = 0
    pss_before_mb: float = 0
    pss_most_mb: float = 0
    create_before_ms: float = 0
    create_during_ms: float = 0
    create_slowest_ms: float = 0
    replayed_s: float = 0
    replays_sent: int = 0
    back_after_kill_s: float = 0
    executed: int = 0
    more_than_once: int = 0
    violations: int = 0


@click.command()
@click.option("--ids", type=click.IntRange(1, 10_000), default=10_000, show_default=True)
@click.option("--connection", type=click.Choice(list(SEED_OF)), default="promo", show_default=True)
@click.option("--prefer", default="wait=5", show_default=True, help="What the caller asks for, or respond-async.")
@click.option("--delay", type=float, default=0.0, show_default=True, help="Of the upstream's marks, in ms.")
@click.option("--kill", is_flag=True, help="Kill the gateway in the middle and start it again.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def main(ids: int, connection: str, prefer: str, delay: float, kill: bool, as_json: bool) -> None:
    """Mark many payouts in one call, and watch what else goes on. Exits 1 where anything was executed wrongly."""
    figures = asyncio.run(_measured(Figures(ids, connection, prefer), delay, kill))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(figures)).decode())
    else:
        table = Table("what", "measured")
        for name in figures.__struct_fields__:
            table.add_row(name, str(getattr(figures, name)))
        Console().print(table)
    sys.exit(bool(figures.violations))


async def _measured(figures: Figures, delay: float, kill: bool) -> Figures:
    async with site(lambda folder: f"sqlite:///{folder}/journal.db", lease=45, sends_within=30) as place:
        ids = _seeded(place, figures)
        if delay:
            operation = {"promo": "update_payout", "sway": "complete_payout"}[figures.connection]
            simulator = place.simulators[figures.connection].simulator
            simulator.add_fault("delay", operation=operation, seconds=delay / 1000, times=None)
        gateway = place.gateway(PRODUCT)
        gateway.start()
        await gateway.ready()
        async with _calls(gateway) as call:
            await _run(figures, place, gateway, call, ids, kill)
        await place.drained()
        executed = Counter(id for entry in _marks(place, figures) for id in entry.ids)
        figures.executed, figures.more_than_once = len(executed), sum(times > 1 for times in executed.values())
        found = await place.violations()
        figures.violations = len(found)
        for each in found[:5]:
            click.echo(str(each), err=True)
    return figures


def _seeded(place: Site, figures: Figures) -> list[str]:
    like, first = SEED_OF[figures.connection]
    simulator = place.simulators[figures.connection].simulator
    record = simulator.state.payouts.get(like)
    assert record is not None, like
    simulator.seed([{**record.body, "id": first + number} for number in range(figures.ids)])
    return [f"{figures.connection}:{first + number}" for number in range(figures.ids)]


async def _run(
    figures: Figures, place: Site, gateway: GatewayProcess, call: httpx.AsyncClient, ids: list[str], kill: bool
) -> None:
    figures.create_before_ms = statistics.median([await _create(call, f"before-{number}") for number in range(30)])
    with _watched(figures, place, gateway) as creates:
        creates.append(asyncio.create_task(_creates(figures, call)))
        began = time.perf_counter()
        answer = asyncio.create_task(_bulk(call, figures, ids))
        if kill:
            await until(lambda: _ended_share(place, figures, 0.3), PATIENCE, "a third of them", 0.2)
            gateway.kill()
            await asyncio.gather(answer, return_exceptions=True)
            began = time.perf_counter()
            gateway.start()
            await gateway.ready()
            figures.back_after_kill_s = round(time.perf_counter() - began, 2)
        else:
            reply = await answer
            figures.answered_s = round(time.perf_counter() - began, 2)
            figures.answer_mb = round(len(reply.content) / 1e6, 2)
            figures.answered = dict(Counter(item["state"] for item in reply.json()["data"]))
        await until(lambda: _ended_share(place, figures, 1.0), PATIENCE, "the end of all", 0.2)
        figures.ended_s = round(time.perf_counter() - began, 2)
    await place.at_rest(ended=True)
    figures.ended = dict(await place.read(_states))
    before, began = len(_marks(place, figures)), time.perf_counter()
    replay = await _bulk(call, figures, ids)
    figures.replayed_s = round(time.perf_counter() - began, 2)
    assert replay.status_code == 200 and replay.headers["idempotent-replayed"] == "true", replay.text[:500]
    figures.replays_sent = len(_marks(place, figures)) - before


@contextlib.asynccontextmanager
async def _calls(gateway: GatewayProcess) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {TEST_KEY}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=PATIENCE, trust_env=False) as call:
        yield call


async def _bulk(call: httpx.AsyncClient, figures: Figures, ids: list[str]) -> httpx.Response:
    headers = {"Idempotency-Key": "bulk-1", "Prefer": figures.prefer}
    return await call.post(PATH, json={"ids": ids, "reference": "TXN-bulk"}, headers=headers)


async def _create(call: httpx.AsyncClient, name: str) -> float:
    began = time.perf_counter()
    await call.post("/v1/payouts", json=order(name), headers={"Idempotency-Key": name})
    return (time.perf_counter() - began) * 1000


async def _creates(figures: Figures, call: httpx.AsyncClient) -> None:
    spent: list[float] = []
    for number in range(10**6):
        with contextlib.suppress(httpx.HTTPError):
            spent.append(await _create(call, f"during-{number}"))
            figures.create_during_ms, figures.create_slowest_ms = statistics.median(spent), max(spent)
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def _watched(figures: Figures, place: Site, gateway: GatewayProcess) -> Iterator[list[asyncio.Task[None]]]:
    """Takes the gateway's size and what is under way, again and again."""
    figures.pss_before_mb = _pss(gateway)

    async def watch() -> None:
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("marks", total=figures.ids)
            while True:
                with contextlib.suppress(psutil.Error, OSError):
                    figures.pss_most_mb = max(figures.pss_most_mb, _pss(gateway))
                states = dict(await place.read(_states))
                figures.sending_most = max(figures.sending_most, states.get("sending", 0))
                bar.update(task, completed=_ended(states))
                await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(watch())]
    try:
        yield tasks
    finally:
        for each in tasks:
            each.cancel()


def _states(tx: Transaction) -> list[Any]:
    return tx.execute(OPEN)


def _ended(states: dict[str, int]) -> int:
    return sum(count for state, count in states.items() if state not in ("accepted", "sending", "unknown"))


async def _ended_share(place: Site, figures: Figures, share: float) -> bool:
    return _ended(dict(await place.read(_states))) >= figures.ids * share


def _marks(place: Site, figures: Figures) -> list[Any]:
    log = place.simulators[figures.connection].simulator.log
    return [entry for entry in log if entry.executed]


def _pss(gateway: GatewayProcess) -> float:
    return round(float(psutil.Process(gateway.pid).memory_full_info().pss) / 1e6, 1)


if __name__ == "__main__":
    main()
