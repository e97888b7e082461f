"""Runs the suite against each mutant: in this process, or shared out to a few."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from typing import NamedTuple

from gateway.conformance.strength.bench import Bench, Origin
from gateway.conformance.strength.mutant import Family, Mutant
from gateway.conformance.strength.survivors import explanations

SECONDS = 600.0  # what no suite needs on the busiest machine; a mutant may loop for ever
SHARE = 8  # mutants for a process at a time


class Judgement(NamedTuple):
    """What became of one mutant. `killed_by` names the first case that noticed it; None: it survived."""

    number: int
    family: Family
    name: str
    killed_by: str | None


class _TooLong(BaseException):
    """Passes by every `except` that a sender may have."""


def judge(bench: Bench, number: int) -> Judgement:
    mutant = bench.mutants[number]
    return Judgement(number, mutant.family, mutant.name, _noticed(bench, mutant))


def _noticed(bench: Bench, mutant: Mutant) -> str | None:
    try:
        with _at_most(SECONDS), mutant.applied(bench.subject.plugin) as plugin:
            changed = replace(bench.subject, plugin=plugin)
            return bench.suite(changed, mutant.capabilities, mutant.name in bench.explained)
    except _TooLong:
        return f"not done after {SECONDS:.0f} seconds"
    except Exception as error:  # the plugin cannot even be made
        return f"the suite ends with {type(error).__name__}"


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises _TooLong; only a main thread can be interrupted, elsewhere there is no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def too_long(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Work(NamedTuple):
    """Mutants of one provider, by their numbers."""

    origin: Origin
    families: tuple[Family, ...]
    numbers: range


def judged(work: Iterable[Work], processes: int) -> Iterator[tuple[Origin, list[Judgement]]]:
    """The judgements, as they come. The processes are spawned, because threads do not survive a fork."""
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting = {pool.submit(_judge_share, share): share.origin for each in work for share in _shares(each)}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _shares(work: Work) -> Iterator[Work]:
    for start in range(0, len(work.numbers), SHARE):
        yield work._replace(numbers=work.numbers[start : start + SHARE])


def _judge_share(share: Work) -> list[Judgement]:
    bench = _bench(share.origin, share.families)
    return [judge(bench, number) for number in share.numbers]


@cache
def _bench(origin: Origin, families: tuple[Family, ...]) -> Bench:
    return Bench.of(origin.subject(), families, explanations(origin.folder))
