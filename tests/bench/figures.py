"""What a run found, and what the issue asks of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

HTTPX, AIOHTTP, NGINX = "litestar-httpx", "litestar-aiohttp", "nginx"
GATEWAY, UNJOURNALED = "gateway", "gateway-no-journal"


class Figures(msgspec.Struct, frozen=True):
    """One row at one number of clients. `cpu_us`: processor microseconds per answer, of the process's own accounting.

    `other_busy`: how busy the other core was, from 0 to 1; `load_busy`: the load generator's part of it.
    """

    row: str
    clients: int
    delay_ms: float
    rps: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    pss_mb: float
    ready_s: float
    load_busy: float
    other_busy: float
    wrong: int
    repeats: list[float]


class Goal(msgspec.Struct, frozen=True):
    """`figure` is None where a row that it needs was not measured. `most`: else it is the least."""

    what: str
    clients: int
    delay_ms: float
    figure: float | None
    limit: float
    most: bool

    @property
    def met(self) -> bool | None:
        if self.figure is None:
            return None
        return self.figure <= self.limit if self.most else self.figure >= self.limit


class Run:
    """All figures of a run, by row, clients and delay."""

    def __init__(self, figures: Sequence[Figures]) -> None:
        self.figures = sorted(figures, key=lambda each: (each.delay_ms, each.clients))
        self._table = {(each.row, each.clients, each.delay_ms): each for each in figures}

    def ratio(self, of: str, row: str, to: str, clients: int, delay_ms: float) -> float | None:
        """One row's figure (`rps`, `cpu_us`, `p50_ms`) as a multiple of another row's."""
        one, other = self._table.get((row, clients, delay_ms)), self._table.get((to, clients, delay_ms))
        return getattr(one, of) / getattr(other, of) if one and other else None

    def journal_share(self, clients: int, delay_ms: float = 0) -> float | None:
        """Microseconds a payout: the gateway's less those of one that keeps no journal."""
        one, other = (self._table.get((row, clients, delay_ms)) for row in (GATEWAY, UNJOURNALED))
        return one.cpu_us - other.cpu_us if one and other else None

    def goals(self) -> list[Goal]:
        def against(of: str, to: str, clients: int) -> float | None:
            return self.ratio(of, GATEWAY, to, clients, 0)

        own = [each for each in self.figures if each.row == GATEWAY]
        slow = self._table.get((GATEWAY, 256, 50))
        return [
            Goal(f"rps / {HTTPX}", 32, 0, against("rps", HTTPX, 32), 4, most=False),
            Goal(f"rps / {HTTPX}", 256, 0, against("rps", HTTPX, 256), 20, most=False),
            Goal(f"p50 / {HTTPX}", 1, 0, against("p50_ms", HTTPX, 1), 1.5, most=True),
            Goal(f"CPU / {AIOHTTP}", 32, 0, against("cpu_us", AIOHTTP, 32), 1.5, most=True),
            Goal(f"CPU / {NGINX}", 32, 0, against("cpu_us", NGINX, 32), 15, most=True),
            Goal("p50 / the upstream's delay", 256, 50, slow and slow.p50_ms / 50, 1.4, most=True),
            Goal("journal's share, CPU us", 32, 0, self.journal_share(32), 50, most=True),
            Goal("journal's share, CPU us", 256, 0, self.journal_share(256), 50, most=True),
            Goal("PSS MB, the most seen", 0, 0, max((each.pss_mb for each in own), default=None), 90, most=True),
            Goal("ready s", 0, 0, statistics.median([each.ready_s for each in own]) if own else None, 1.5, most=True),
        ]
