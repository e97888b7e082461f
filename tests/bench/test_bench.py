"""The benchmark itself: its goals are judged rightly, and its rows do what they are said to do."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from gateway.engine import reloading
from tests.bench.figures import AIOHTTP, GATEWAY, HTTPX, NGINX, UNJOURNALED, Figures, Run
from tests.bench.table import show
from tests.bench.without_journal import Forgetful
from tests.conftest import four_simulators, order, raw_config, stack_of


def figures(row: str, clients: int = 32, delay_ms: float = 0, rps: float = 100, cpu_us: float = 100) -> Figures:
    return Figures(
        row=row,
        clients=clients,
        delay_ms=delay_ms,
        rps=rps,
        p50_ms=60,
        p99_ms=90,
        cpu_us=cpu_us,
        pss_mb=80,
        ready_s=1,
        load_busy=0.1,
        other_busy=0.5,
        wrong=0,
        repeats=[rps],
    )


RUN = Run(
    [
        figures(GATEWAY, rps=400, cpu_us=140),
        figures(UNJOURNALED, cpu_us=95),
        figures(HTTPX),
        figures(AIOHTTP),
        figures(NGINX, cpu_us=9),
        figures(GATEWAY, clients=256, delay_ms=50),
    ]
)


def test_each_goal_is_judged_by_the_rows_that_it_names() -> None:
    judged = {(goal.what, goal.clients): (goal.figure, goal.met) for goal in RUN.goals()}
    assert judged["rps / litestar-httpx", 32] == (4, True)
    assert judged["rps / litestar-httpx", 256] == (None, None)
    assert judged["CPU / litestar-aiohttp", 32] == (1.4, True)
    assert judged["CPU / nginx", 32] == (pytest.approx(15.56, abs=0.01), False)
    assert judged["journal's share, CPU us", 32] == (45, True)
    assert judged["p50 / the upstream's delay", 256] == (1.2, True)


def test_the_table_fits_120_columns_and_tells_each_goal() -> None:
    screen = Console(width=120, file=io.StringIO())
    show(RUN, screen)
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 120
    words = next(line.split() for line in lines if " 400 " in line)
    assert (words[2:5], words[-3:]) == ([GATEWAY, "400", "4.00"], ["3", "of", "4"])
    assert any("NOT MET" in line and "CPU / nginx" in line for line in lines)


@pytest.mark.anyio
async def test_a_payout_goes_its_whole_way_without_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reloading, "open_store", Forgetful)
    async with four_simulators() as simulators, stack_of(raw_config(simulators, tmp_path), simulators) as stack:
        answers = [await stack.write("POST", "/v1/payouts", order(f"invoice-{each}"), f"key-{each}") for each in "12"]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert len(await stack.executed("bank", "create_payout")) == 2
    assert not (tmp_path / "journal.db").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("journal", "--held", "100", "--payouts", "200"),
        ("memory", "--payouts", "1200"),
        ("bulk", "--ids", "20"),
        ("lists", "--times", "2", "--delay", "1"),
    ],
    ids=lambda command: command[0],
)
def test_each_benchmark_that_make_bench_leaves_out_runs(command: tuple[str, ...]) -> None:
    name, *options = command
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{name}", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
