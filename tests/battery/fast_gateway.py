"""The gateway's own command with shorter waits, so that a battery sees the end of each story.

python -m tests.battery.fast_gateway run --config FILE --port N

Only lengths of time differ. They keep their order: a send begins, and its answer ends, well inside the lease.
`STOP_BEFORE_SEND` names a file: while it is there, the process takes it away and stops itself (SIGSTOP) between the
commit of `sending` and the send, which no signal from outside could hit.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from gateway import cli
from gateway.config import faults
from gateway.engine import connection, machine, running
from providers.sdk import Call, Effect

LEASE = 4  # seconds, the shortest that the config then takes with a timeout of one second


def shorten() -> None:
    faults.LEASE_MARGIN = 3
    machine.QUARANTINE = 3
    machine.REPEAT_AFTER = 2
    machine.RETRY_FIRST = 1
    running.IDLE_SECONDS = 0.2
    running.SEND_WITHIN = 1.5


def stop_before_send(trap: Path) -> None:
    send = connection.Connection.send

    def stop_once() -> None:
        if trap.exists():
            trap.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)

    async def stopping(self: connection.Connection, call: Call[Any], before: float | None = None) -> Any:
        if call.effect is not Effect.READ:
            stop_once()
        return await send(self, call, before)

    connection.Connection.send = stopping  # type: ignore[method-assign]


if __name__ == "__main__":
    shorten()
    if "STOP_BEFORE_SEND" in os.environ:
        stop_before_send(Path(os.environ["STOP_BEFORE_SEND"]))
    cli.main()
