"""The one table that people read, and a line for each goal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.bench.figures import AIOHTTP, GATEWAY, HTTPX, Figures, Goal, Run

HEADS = (
    "clients",
    "up ms",
    "row",
    "rps",
    "x httpx",
    "p50 ms",
    "p99 ms",
    "CPU us",
    "x aiohttp",
    "PSS",
    "ready",
    "core 2",
    "goals",
)
FULL = 0.9  # of the other core: beyond it the load or someone else on this machine sets the pace
NOTES = (
    f"x httpx: answers a second against {HTTPX}; x aiohttp: processor time against {AIOHTTP}.",
    "CPU us: of the process and its children for each answer, by the system's accounting; PSS in MB, ready in s.",
    "Each row is pinned to core 1; the load, the stub, PostgreSQL and Redis to core 2, which was so busy. Only the two",
    "workers have both cores, and share core 2 with all these: a machine of two cores cannot show what they can do.",
    "SQLite is on disk; PostgreSQL's files are in memory where there is room, so that its syncs cost nothing.",
)


def show(run: Run, screen: Console) -> None:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    for head in HEADS:
        table.add_column(head, justify="left" if head == "row" else "right", no_wrap=True)
    goals = run.goals()
    before = None
    for each in run.figures:
        if before not in (None, (each.delay_ms, each.clients)):
            table.add_row()
        before = each.delay_ms, each.clients
        table.add_row(*_cells(each, run), _met([goal for goal in goals if _of(goal, each)]))
    screen.print(table)
    for note in NOTES:
        screen.print(f"[dim]{note}[/dim]", highlight=False)
    full = sum(each.other_busy > FULL for each in run.figures)
    if full:
        said = f"Core 2 was full in {full} of {len(run.figures)} rows: believe their processor time only."
        screen.print(said, style="yellow", highlight=False)
    screen.print("\nGoals:" if any(goal.figure is not None for goal in goals) else "")
    for goal in goals:
        if goal.figure is not None:
            screen.print(_told(goal, goal.figure), highlight=False)


def _cells(each: Figures, run: Run) -> tuple[str, ...]:
    return (
        str(each.clients),
        f"{each.delay_ms:g}",
        each.row,
        f"{each.rps:.0f}",
        _times(run.ratio("rps", each.row, HTTPX, each.clients, each.delay_ms)),
        f"{each.p50_ms:.2f}",
        f"{each.p99_ms:.1f}",
        f"{each.cpu_us:.0f}",
        _times(run.ratio("cpu_us", each.row, AIOHTTP, each.clients, each.delay_ms)),
        f"{each.pss_mb:.0f}",
        f"{each.ready_s:.2f}",
        f"{each.other_busy:.0%}",
    )


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _of(goal: Goal, each: Figures) -> bool:
    return each.row == GATEWAY and (goal.clients, goal.delay_ms) == (each.clients, each.delay_ms)


def _met(goals: list[Goal]) -> str:
    known = [goal.met for goal in goals if goal.met is not None]
    return f"{sum(known)} of {len(known)}" if known else ""


def _told(goal: Goal, figure: float) -> Text:
    place = f", clients {goal.clients}" if goal.clients else ""
    place += f", upstream {goal.delay_ms:g} ms" if goal.delay_ms else ""
    wanted = f"{'at most' if goal.most else 'at least'} {goal.limit:g}"
    verdict, colour = ("met", "green") if goal.met else ("NOT MET", "red")
    return Text.assemble(f"  {verdict:<8} ", (f"{figure:7.2f}", colour), f"  {goal.what}{place}: {wanted}")
