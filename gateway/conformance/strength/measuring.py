"""From judgements to what is published of a provider."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from gateway.conformance.report import Report
from gateway.conformance.strength.bench import Bench
from gateway.conformance.strength.judging import Judgement
from gateway.conformance.strength.mutant import Family
from gateway.conformance.strength.status import Coverage, Killed, Status, live_of
from gateway.conformance.strength.survivors import Doubts, doubts, explanations


class Measured(NamedTuple):
    """One provider's strength. `missed`: table and domain mutants that survived; none may."""

    folder: Path
    status: Status
    missed: list[str]
    doubts: Doubts

    @property
    def passed(self) -> bool:
        return not (self.missed or self.doubts)


def measured(bench: Bench, report: Report, judgements: Collection[Judgement], folder: Path) -> Measured:
    """`report` is the suite's on the plugin as it is. Raises SurvivorsInvalid."""
    explained = explanations(folder)
    survived = [each for each in judgements if each.killed_by is None]
    families = {each.family for each in judgements}
    status = Status(
        provider=report.provider,
        date=datetime.now(UTC).date().isoformat(),
        versions=_versions(bench),
        cases={str(family): count for family, count in report.cases.items()},
        coverage=_coverage(report),
        table=_killed(Family.TABLE, judgements),
        domain=_killed(Family.DOMAIN, judgements, {each.name: each.reason for each in bench.inapplicable}),
        source=_killed(Family.SOURCE, judgements, explained=explained),
        live=live_of(folder),
    )
    of_source = [each.name for each in survived if each.family is Family.SOURCE]
    missed = [f"{each.family}: {each.name}" for each in survived if each.family is not Family.SOURCE]
    found = doubts(of_source, explained) if Family.SOURCE in families else Doubts([], [])
    return Measured(folder, status, missed, found)


def _killed(
    family: Family,
    judgements: Iterable[Judgement],
    inapplicable: dict[str, str] | None = None,
    explained: Mapping[str, str] | None = None,
) -> Killed:
    mine = [each for each in judgements if each.family is family]
    survived = [each.name for each in sorted(mine) if each.killed_by is None]
    why = {name: (explained or {}).get(name, "not explained") for name in survived}
    return Killed(len(mine), len(mine) - len(survived), inapplicable or {}, why)


def _coverage(report: Report) -> Coverage:
    coverage = report.coverage
    seen, ways = coverage.locations
    return Coverage(len(coverage.pairs), len(coverage.seen_pairs), ways, seen)


def _versions(bench: Bench) -> dict[str, str]:
    shown = {name: version(name) for name in ("payout-gateway", "mutmut", "jsonschema-rs")}
    return {**shown, "python": platform.python_version(), "contract": bench.subject.document.raw["info"]["version"]}
