"""A real gateway process of a battery: started, killed, stopped and continued as often as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import psutil

from tests.servers import _free_port

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
PATIENCE = 240.0  # seconds: on a machine that is starved a boot alone can take one minute
PRODUCT, FAST = "gateway", "tests.battery.fast_gateway"  # modules to run


class TooLate(AssertionError):
    """What a battery waited for did not come about."""


async def until(
    ready: Callable[[], Awaitable[T | None]],
    seconds: float,
    what: str,
    every: float = 0.02,
    tell: Callable[[], str] = str,
) -> T:
    """The first true answer. Raises TooLate."""
    end = time.monotonic() + seconds
    while True:
        found = await ready()
        if found:
            return found
        if time.monotonic() > end:
            raise TooLate(f"{what}: not within {seconds} s {tell()}")
        await asyncio.sleep(every)


class GatewayProcess:
    """One gateway process, on a port that it keeps over its restarts."""

    def __init__(self, config: Path, module: str = PRODUCT, workers: int = 1, **environment: str) -> None:
        self.config, self.module, self.workers, self.environment = config, module, workers, environment
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = config.with_name(f"gateway-{self.port}.log")
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0  # of the last process, also when it is dead

    def start(self, module: str | None = None) -> None:
        command = [sys.executable, "-m", module or self.module, "run", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), "--workers", str(self.workers)],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=os.environ | self.environment,
            )
        self.pid = self.process.pid

    async def ready(self, seconds: float = PATIENCE) -> None:
        """Returns when it takes calls. Raises TooLate with the end of its log."""
        async with httpx.AsyncClient(trust_env=False) as call:

            async def answers() -> bool:
                if self.process is None or self.process.poll() is not None:
                    raise TooLate(f"the gateway ended: {self.tail()}")
                with contextlib.suppress(httpx.HTTPError):
                    return (await call.get(f"{self.url}/health/ready")).status_code == 200
                return False

            await until(answers, seconds, "a gateway that takes calls", tell=self.tail)

    def workers_alive(self) -> set[int]:
        """The process ids of its workers."""
        return {child.pid for child in psutil.Process(self.pid).children()}

    def hang_up(self) -> None:
        """The order to read the config again."""
        self._signal(signal.SIGHUP)

    def kill(self) -> None:
        """SIGKILL, wherever it stands."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly end."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def paused(self) -> bool:
        """Also where it stopped itself."""
        if self.process is None:
            return False
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def tail(self) -> str:
        return self.log.read_text("utf-8", "replace")[-2000:] if self.log.exists() else ""

    def count(self, words: str) -> int:
        """How many lines of its log hold these words."""
        return sum(words in line for line in self.log.read_text("utf-8", "replace").splitlines())

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self._signal(number)
        self._signal(signal.SIGCONT)  # one that is stopped ends only when it goes on
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)
            raise TooLate(f"the gateway did not end: {self.tail()}") from None
        finally:
            self.process = None


async def begun(gateways: list[GatewayProcess]) -> None:
    """Starts them side by side."""
    for each in gateways:
        each.start()
    await asyncio.gather(*(each.ready() for each in gateways))
