"""The journal's threads may all read their first row at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Threads that take turns at every instruction: without care most such processes crash.
FIRST_USE = """
import sys, threading
from gateway.operation import Operation, State
from gateway.store.rows import from_row, to_row
from providers.sdk import Effect

operation = Operation(
    id="op_1", tenant="t", maker="m", key="k", fingerprint="f", action="create", kind="payout", connection="bank",
    effect=Effect.CREATE, request="{}", state=State.SENDING, sent_at=1, created_at=1, updated_at=1,
)
row, together, read = to_row(operation), threading.Barrier(8), []

def reads():
    together.wait()
    read.append(from_row(row))

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=reads) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert read == [operation] * 8
"""


@pytest.mark.parametrize("run", range(6))
def test_threads_that_read_their_first_rows_at_once_crash_nothing(run: int) -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_USE], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
