"""What was measured of one provider, as `status.json` beside its contract, and as a row of the README's table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

NAME = "status.json"
MARKED = re.compile(r"(<!-- strength -->\n).*?(<!-- /strength -->)", re.DOTALL)
NEVER = "never"


class Killed(msgspec.Struct, frozen=True):
    """Mutants of one family. Those that a provider cannot have are named and not counted."""

    mutants: int
    killed: int
    inapplicable: dict[str, str] = {}  # name to reason
    survived: dict[str, str] = {}  # name to explanation


class Coverage(msgspec.Struct, frozen=True):
    """How much of what a contract documents the cases reach."""

    pairs: int  # (operation, status, media type)
    pairs_seen: int
    keywords: int  # each place where a schema asserts something counts twice: satisfied, and violated
    keywords_seen: int


class Status(msgspec.Struct, frozen=True):
    """The measured strength of the contract tests of one provider. `date` in ISO 8601."""

    provider: str
    date: str
    versions: dict[str, str]
    cases: dict[str, int]  # by family
    coverage: Coverage
    table: Killed
    domain: Killed
    source: Killed
    live: str = NEVER  # when a live run verified the contract last


def write(folder: Path, status: Status) -> None:
    encoded = msgspec.json.format(msgspec.json.encode(status), indent=2)
    (folder / NAME).write_bytes(encoded + b"\n")


def read(folder: Path) -> Status:
    return msgspec.json.decode((folder / NAME).read_bytes(), type=Status)


def live_of(folder: Path) -> str:
    """What an earlier status says of live runs: measuring the strength changes nothing about it."""
    return read(folder).live if (folder / NAME).is_file() else NEVER


HEAD = ("provider", "cases", "pairs", "keywords", "tables", "mistakes", "source", "live")


def row(status: Status) -> tuple[str, ...]:
    """Pairs and keywords that cases have reached, and mutants that were noticed."""
    coverage = status.coverage
    return (
        status.provider,
        f"{sum(status.cases.values()):,}",
        f"{coverage.pairs_seen}/{coverage.pairs}",
        f"{coverage.keywords_seen}/{coverage.keywords}",
        *(_noticed(killed) for killed in (status.table, status.domain, status.source)),
        status.live,
    )


def _noticed(killed: Killed) -> str:
    share = "" if killed.killed == killed.mutants else f" ({killed.killed / killed.mutants:.1%})"
    return f"{killed.killed}/{killed.mutants}{share}" if killed.mutants else "not measured"


def markdown(statuses: Iterable[Status]) -> str:
    rows = [row(status) for status in statuses]
    lines = [HEAD, tuple("---" for _ in HEAD), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def published(text: str, statuses: Iterable[Status]) -> str:
    """A README with the table between its marks renewed; without marks, as it was."""
    table = markdown(statuses)
    return MARKED.sub(lambda match: match[1] + table + match[2], text)
