"""A merged list over four slow connections: `python -m tests.bench.lists --delay 50`."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import click
import httpx
from rich.console import Console
from rich.table import Table

from tests.battery.processes import GatewayProcess, Site, site

OPEN = "status=pending&status=approved&status=on_hold&limit=5"
CROWD = 100


@click.command()
@click.option("--delay", type=float, default=50.0, show_default=True, help="Of each connection's list, in ms.")
@click.option("--times", type=int, default=20, show_default=True)
def main(delay: float, times: int) -> None:
    """Time one connection's list, the list over all four, and a crowd that asks the same."""
    rows = asyncio.run(_measured(delay / 1000, times))
    table = Table("list", "p50 ms", "calls upstream")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


async def _measured(delay: float, times: int) -> list[tuple[str, str, str]]:
    async with site(lambda folder: f"sqlite:///{folder}/journal.db", lease=45, sends_within=30) as place:
        for each in place.simulators.values():
            each.simulator.add_fault("delay", operation="list_payouts", seconds=delay, times=None)
        rows = []
        for cache in (0, 1):
            gateway = _gateway(place, cache)
            gateway.start()
            await gateway.ready()
            rows += await _timed(place, gateway, cache, times)
        return rows


def _gateway(place: Site, cache: int) -> GatewayProcess:
    """A gateway with a journal of its own, that keeps reads for so many seconds."""
    config = place.config.read_text().replace("journal.db", f"journal-{cache}.db")
    file = Path(place.config).with_name(f"gateway-{cache}.toml")
    file.write_text(config.replace("cache = 0", f"cache = {cache}"))
    gateway = GatewayProcess(file)
    place.gateways.append(gateway)
    return gateway


async def _timed(place: Site, gateway: GatewayProcess, cache: int, times: int) -> list[tuple[str, str, str]]:
    rows = []
    async with httpx.AsyncClient(
        base_url=gateway.url, headers={"Authorization": "Bearer test-payouts:read"}, trust_env=False
    ) as call:

        async def asked(query: str) -> float:
            began = time.perf_counter()
            (await call.get(f"/v1/payouts?{query}", timeout=60)).raise_for_status()
            return (time.perf_counter() - began) * 1000

        async def row(name: str, query: str, at_once: int, repeats: int) -> tuple[str, str, str]:
            before, spent = _calls(place), []
            for _ in range(repeats):
                spent += await asyncio.gather(*(asked(query) for _ in range(at_once)))
            return name, f"{statistics.median(spent):.1f}", str(_calls(place) - before)

        await asked(OPEN)  # the first of all makes the connections
        if cache:
            await asyncio.sleep(2 * cache)
            return [await row(f"{CROWD} callers of one list at once, cache of {cache} s", "connection=sway", CROWD, 1)]
        for name in place.simulators:
            rows.append(await row(f"{name} alone, {times} times", f"{OPEN}&connection={name}", 1, times))
        rows.append(await row(f"all four, {times} times", OPEN, 1, times))
    return rows


def _calls(place: Site) -> int:
    logs = (each.simulator.log for each in place.simulators.values())
    return sum(entry.operation == "list_payouts" for log in logs for entry in log)


if __name__ == "__main__":
    main()
