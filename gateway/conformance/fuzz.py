"""Replies broken at random, put straight to a plugin's reading: nothing untyped escapes, and nothing is made up."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, NamedTuple

from contracts.cases import Case, documented
from contracts.expect import FILES, Expected, expect
from contracts.fuzzing import SECRET, WILD_TEXT, fuzzed
from gateway.conformance.judging import Observed, faults_of, kind_of
from gateway.conformance.report import Failure
from gateway.conformance.running import Progress
from gateway.conformance.subject import Subject
from gateway.upstream import Answered, Contradicted, Evidence, Outcome, Refused, Unclear
from providers.sdk import Call, Malformed, Mismatch, Provider, RefusalKind, Reply

SEED = 20261120
ANSWERS = 0.8  # of the replies are successes, before they are broken
SLOWEST = 0.25  # seconds of this thread's own time that one reply may take


@dataclass
class Fuzz:
    """What became of the replies: how many of each kind of outcome."""

    provider: str
    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.counts.total()


class Base(NamedTuple):
    """One documented answer to one call, before it is broken."""

    case: Case
    body: Any
    call: Call[Any]


def run_fuzz(
    subject: Subject,
    count: int,
    *,
    seed: int = SEED,
    only: int | None = None,
    stop_at_first: bool = False,
    progress: Progress | None = None,
) -> Fuzz:
    """Puts `count` broken replies to a plugin. `only`: the one with this number; `progress` hears how many are done."""
    report, began = Fuzz(subject.name), time.perf_counter()
    fuzzing = _Fuzzing(subject, report)
    for number in range(count) if only is None else [only]:
        fuzzing.put(number, Random(seed << 32 | number))  # noqa: S311  it must be repeatable
        if progress is not None:
            progress(number + 1)
        if stop_at_first and report.failures:
            break
    report.seconds = time.perf_counter() - began
    return report


class _Fuzzing:
    def __init__(self, subject: Subject, report: Fuzz) -> None:
        self.subject = subject
        self.report = report
        self.provider = subject.made(subject.currency)
        bases = list(_bases(subject, self.provider))
        self.answers = [base for base in bases if base.case.status in base.call.success]
        self.errors = [base for base in bases if base not in self.answers]
        self.hidden = subject.document.secret_names

    def put(self, number: int, random: Random) -> None:
        base = random.choice(self.answers if random.random() < ANSWERS or not self.errors else self.errors)
        raw, guarded = fuzzed(base.body, self.hidden, random)
        case = replace(base.case, body=raw, valid=False)
        began = time.thread_time()
        try:
            wrong = "; ".join(self._faults(case, base.call, guarded))
        except Exception as error:
            wrong = f"{type(error).__name__} escaped: {error}"
        spent = time.thread_time() - began
        self.report.slowest = max(self.report.slowest, spent)
        if spent > SLOWEST:
            wrong = f"it took {spent:.2f} s; {wrong}"
        if wrong:
            id = f"fuzz/{case.operation}/{case.status}/{number}"
            self.report.failures.append(Failure(id, repr(raw)[:1000], wrong[:1000]))

    def _faults(self, case: Case, call: Call[Any], guarded: bool) -> Iterator[str]:
        """What the oracle of all cases says of it; and a message that repeats what it must not."""
        outcome = heard(self.provider, call, Reply(case.status or 0, dict(case.headers), case.body))
        self.report.counts[kind_of(outcome)] += 1
        expected = _unsent_is_unclear(expect(case, self.subject.mapping))
        observed = Observed(outcome, expected.sends, call.effect)
        yield from faults_of(case, expected, observed, (SECRET,) if guarded else ())
        if case.status in call.success and WILD_TEXT in (outcome.evidence.detail or ""):
            yield f"its message repeats a value: {outcome.evidence.detail}"


def _unsent_is_unclear(expected: Expected) -> Expected:
    """A login that fails leaves the call behind it unsent; here the login is heard by itself."""
    also = expected.also | ({"unclear"} if "not_sent" in expected.also else set())
    return replace(expected, kind="unclear" if expected.kind == "not_sent" else expected.kind, also=also)


def heard(provider: Provider, call: Call[Any], reply: Reply) -> Outcome[Any]:
    """A reply as the sender hears it, without the sending."""
    seen = Evidence(True, reply.status)
    if reply.status not in call.success:
        refusal = provider.refusal(call, reply)
        seen = replace(seen, detail=refusal.problem.message)
        return Unclear(seen) if refusal.kind is RefusalKind.UNCLEAR else Refused(seen, refusal)
    try:
        return Answered(seen, call.reads(reply))
    except Mismatch as error:
        return Contradicted(replace(seen, detail=str(error)))
    except Malformed as error:
        return Unclear(replace(seen, detail=str(error)))


def _bases(subject: Subject, provider: Provider) -> Iterator[Base]:
    """Every documented answer that a plugin reads, with a call that it may be given to."""
    for case in documented(subject.document, subject.mapping):
        if not (case.capability in FILES and case.status == 200):
            login = case.capability == "login"
            call = provider.login(subject.minted) if login else case.intent.call(provider)
            if call is not None:
                yield Base(case, _body(case), call)


def _body(case: Case) -> Any:
    return json.loads(case.body) if "json" in (case.media or "") else case.body.decode("latin-1")
