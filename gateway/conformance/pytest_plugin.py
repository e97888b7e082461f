"""The suite for the author of an outside plugin:

    pytest --provider my_package.acmepay:AcmePay --contract my_package/contract

`--contract` is the folder of openapi.yaml and mapping.yaml. An installed provider goes by its name alone. One test
stands for an operation, a status and a family; its cases run inside of it. Two more ask and answer at random.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # the plugin is loaded by every pytest of the environment: the suite itself only when it is asked for
    from contracts.cases import Case
    from gateway.conformance.report import Failure
    from gateway.conformance.subject import Subject


SHOWN = 10  # causes of one test
_LEFT_OUT = pytest.StashKey[str]()


class CaseFailed(Exception):
    """What went wrong in the cases of one test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("payout gateway")
    group.addoption("--provider", metavar="MODULE:CLASS", help="Test this payout provider plugin against its contract.")
    group.addoption("--asks", type=int, default=2_500, metavar="N", help="How many asks at random.")
    group.addoption("--replies", type=int, default=5_000, metavar="N", help="How many broken replies at random.")
    group.addoption("--contract", metavar="FOLDER", help="Where its openapi.yaml and mapping.yaml stand.")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--contract") and not config.getoption("--provider"):
        raise pytest.UsageError("--contract FOLDER needs --provider MODULE:CLASS, whose contract it is")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    spec = config.getoption("--provider")
    if spec is not None:
        contract = config.getoption("--contract")
        subject = _subject(spec, Path(contract) if contract else None)
        suite = _Suite.from_parent(session, name=spec, subject=subject)
        collected = session.ihook.pytest_make_collect_report(collector=suite)
        session.ihook.pytest_collectreport(report=collected)
        items[:] = [*collected.result, *items]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash.get(_LEFT_OUT, "")
    if left_out:
        terminalreporter.write_line(left_out, yellow=True)


def _subject(spec: str, contract: Path | None) -> Subject:
    from gateway.conformance.subject import Subject, SubjectInvalid

    try:
        if ":" not in spec:
            return Subject.installed(spec, contract)
        if contract is None:
            raise SubjectInvalid("--provider module:Class needs --contract FOLDER")
        return Subject.named(spec, contract)
    except SubjectInvalid as error:
        raise pytest.UsageError(str(error)) from None


class _Suite(pytest.Collector):
    def __init__(self, *, subject: Subject, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.subject = subject

    def collect(self) -> Iterator[pytest.Item]:
        from contracts.cases import NoCall, NotUnderstood, generate

        try:
            cases = list(generate(self.subject.document, self.subject.mapping))
        except (NotUnderstood, NoCall) as error:
            raise self.CollectError(str(error)) from None
        for name, group in groupby(sorted(cases, key=_name), key=_name):
            yield _Group.from_parent(self, name=name, cases=list(group))
        yield _Reached.from_parent(self, name="coverage", cases=cases)
        yield _Agreeing.from_parent(self, name="mapping", cases=[])
        yield _Scenarios.from_parent(self, name="scenarios", cases=[])
        for name in ("requests", "fuzz"):
            yield _AtRandom.from_parent(self, name=name, cases=[])


def _told(failures: list[Failure]) -> str:
    """The most frequent cause first: pytest's summary shows the first line."""
    from gateway.conformance.report import causes

    return "\n".join(map(str, causes(failures)[:SHOWN]))


def _name(case: Case) -> str:
    """Without a point, which pytest would show as something else."""
    return case.id.rpartition(f"/{case.label}")[0].replace(".", ":")


class _Group(pytest.Item):
    """The cases of one operation, status and family."""

    def __init__(self, *, cases: list[Case], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cases = cases

    @property
    def subject(self) -> Subject:
        assert isinstance(self.parent, _Suite)  # noqa: S101
        return self.parent.subject

    def runtest(self) -> None:
        from gateway.conformance.running import run

        failures = run(self.subject, cases=self.cases).failures
        if failures:
            raise CaseFailed(_told(failures))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if not isinstance(excinfo.value, CaseFailed):
            return super().repr_failure(excinfo, style)
        return f"{excinfo.value}\n  again:    {self._again()}"

    def _again(self) -> str:
        given = ((name, self.config.getoption(name)) for name in ("--provider", "--contract"))
        options = [word for option in given if option[1] is not None for word in option]
        return shlex.join(["pytest", *options, "-k", self.name])

    def reportinfo(self) -> tuple[Path, None, str]:
        return Path(self.subject.name), None, self.name


class _Reached(_Group):
    """Every documented answer, and each thing that a schema asserts, satisfied and violated."""

    def runtest(self) -> None:
        from contracts.coverage import Coverage

        coverage = Coverage(self.subject.document, self.subject.mapping.unreachable)
        for case in self.cases:
            coverage.see(case)
        if coverage.missing:
            raise CaseFailed("\n".join(coverage.missing))


class _Agreeing(_Group):
    """Contract and mapping speak of the same things."""

    def runtest(self) -> None:
        from contracts.agreement import disagreements

        found = disagreements(self.subject.document, self.subject.mapping)
        if found:
            raise CaseFailed("\n".join(found))


class _Scenarios(_Group):
    """Whole lives of a payout at the simulator, where there is one; elsewhere they are read and counted."""

    def runtest(self) -> None:
        from contracts.scenarios import ScenariosInvalid
        from gateway.conformance.running import run
        from gateway.conformance.simulated import add_scenarios

        report = run(self.subject, cases=[])
        try:
            add_scenarios(report, self.subject)
        except ScenariosInvalid as error:
            raise CaseFailed(str(error)) from None
        if report.failures:
            raise CaseFailed(_told(report.failures))
        self.config.stash[_LEFT_OUT] = report.left_out


class _AtRandom(_Group):
    """What a plugin sends, or reads, when it is asked, or answered, at random."""

    def runtest(self) -> None:
        from gateway.conformance.fuzz import run_fuzz
        from gateway.conformance.requests import run_requests

        asks, replies = self.config.getoption("--asks"), self.config.getoption("--replies")
        sending = self.name == "requests"
        found = run_requests(self.subject, asks) if sending else run_fuzz(self.subject, replies)
        if found.failures:
            raise CaseFailed(_told(found.failures))
