"""Runs the README's tour against a fresh `payout-gateway dev`, and can write the answers into the README.

python -m tests.tour --write
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"```console\n\$ (.*)\n((?:.*\n)*?)```")

# What differs at every run: ids of operations, times, opaque cursors, the version of a config with free ports in it.
VOLATILE = (
    (re.compile(r"op_[0-9a-f]{32}"), "op_…"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r'"next_cursor":"[^"]*"'), '"next_cursor":"…"'),
    (re.compile(r'"config":"[0-9a-f]{12}"'), '"config":"…"'),
)


@dataclass
class Dev:
    """A running `payout-gateway dev`: what it printed, and where its gateway and simulators are."""

    process: subprocess.Popen[str]
    key: str
    ports: dict[str, str]


def tour() -> str:
    """The README's part between the marks."""
    return README.read_text("utf-8").partition("<!-- tour -->")[2].partition("<!-- /tour -->")[0]


def steps() -> list[tuple[str, str]]:
    """Each command of the tour, with the answer that the README gives."""
    return [(match[1], match[2].strip()) for match in BLOCK.finditer(tour())]


def normal(answer: str) -> str:
    for pattern, replacement in VOLATILE:
        answer = pattern.sub(replacement, answer)
    return answer.strip()


@contextlib.contextmanager
def running_dev() -> Iterator[Dev]:
    port = free_port()
    command = [sys.executable, "-m", "gateway", "dev", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield greeted(process, port)
        finally:
            process.terminate()
            process.wait(20)


def greeted(process: subprocess.Popen[str], port: int) -> Dev:
    """Reads what a person reads, up to the last line of the greeting."""
    said = ""
    for line in process.stdout or ():
        said += line
        if "Ctrl-C" in line:
            break
    key = re.search(r"export KEY=(\S+)", said)
    bank = re.search(r"connection bank\)\s*\S\s*http://127.0.0.1:(\d+)", said)
    if key is None or bank is None:
        raise RuntimeError(f"dev did not start: {said}")
    return Dev(process, key[1], {"8080": str(port), "8094": bank[1]})


def answer_of(dev: Dev, command: str) -> str:
    for documented, real in dev.ports.items():
        command = command.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{real}")
    environment = {**os.environ, "KEY": dev.key}
    shell = ["bash", "-c", command]
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def write() -> None:
    """Puts the answers of a real run into the README."""
    with running_dev() as dev:

        def answered(match: re.Match[str]) -> str:
            return f"```console\n$ {match[1]}\n{answer_of(dev, match[1])}\n```"

        README.write_text(README.read_text("utf-8").replace(tour(), BLOCK.sub(answered, tour())), "utf-8")


if __name__ == "__main__" and "--write" in sys.argv:
    write()
