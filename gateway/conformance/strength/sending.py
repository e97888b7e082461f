"""Mistakes on the way between plugin and provider: what is sent again, and what is concluded from silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx

from gateway.conformance.strength.mistake import CREATES, ECHOES, LOGS_IN, RATE_LIMITED, WRITES, Mistake
from gateway.conformance.strength.mutant import Applied, replaced
from gateway.engine import machine
from gateway.engine.machine import Verdict
from gateway.operation import State
from gateway.upstream import Contradicted, NotSent, Refused, Unclear, Upstream, sender
from providers.sdk import Effect, Refusal, RefusalKind


def _concludes(conclude: Callable[[Any], Any]) -> Applied:
    """The outcome of a send is taken for another one."""

    def make(send: Any) -> Any:
        async def changed(self: Upstream, *args: Any, **kwargs: Any) -> Any:
            return conclude(await send(self, *args, **kwargs))

        return changed

    return replaced(Upstream, "send", make)


def _sends_again(when: Callable[[Any], bool]) -> Applied:
    def make(send: Any) -> Any:
        async def changed(self: Upstream, *args: Any, **kwargs: Any) -> Any:
            outcome = await send(self, *args, **kwargs)
            return await send(self, *args, **kwargs) if when(outcome) else outcome

        return changed

    return replaced(Upstream, "send", make)


def _refused(outcome: Any) -> Refused:
    return Refused(outcome.evidence, Refusal(RefusalKind.INVALID, outcome.evidence.status or 0))


def _is_timeout(outcome: Any) -> bool:
    return isinstance(outcome, Unclear) and outcome.evidence.status is None


def _is_server_error(outcome: Any) -> bool:
    return isinstance(outcome, Unclear) and (outcome.evidence.status or 0) >= 500


def _timeout_is_refusal(outcome: Any) -> Any:
    return _refused(outcome) if _is_timeout(outcome) else outcome


def _timeout_is_unsent(outcome: Any) -> Any:
    return NotSent(replace(outcome.evidence, started=False)) if _is_timeout(outcome) else outcome


def _server_error_is_refusal(outcome: Any) -> Any:
    return _refused(outcome) if _is_server_error(outcome) else outcome


def _unsent_is_unclear(outcome: Any) -> Any:
    return Unclear(outcome.evidence) if isinstance(outcome, NotSent) else outcome


def _contradiction_is_unclear(outcome: Any) -> Any:
    return Unclear(outcome.evidence) if isinstance(outcome, Contradicted) else outcome


def _is_definite_refusal(outcome: Any) -> bool:
    definite = (RefusalKind.INVALID, RefusalKind.NOT_FOUND, RefusalKind.CONFLICT)
    return isinstance(outcome, Refused) and outcome.refusal.kind in definite


def _follows(ask: Any) -> Any:
    async def changed(self: Upstream, request: httpx.Request) -> Any:
        response = await ask(self, request)
        if not response.has_redirect_location:
            return response
        request.url = request.url.join(response.headers["location"])
        return await ask(self, request)

    return changed


def _fails_unclear(_: Any) -> Any:
    return lambda operation, detail, *reason: Verdict(State.REJECTED, detail=detail)


def _fails_absent_create(refused: Any) -> Any:
    def changed(operation: Any, kind: RefusalKind, retry_after: int | None, detail: str | None) -> Verdict:
        if operation.effect is Effect.CREATE and kind is RefusalKind.NOT_FOUND:
            return Verdict(State.REJECTED, detail=detail)
        verdict: Verdict = refused(operation, kind, retry_after, detail)
        return verdict

    return changed


def _hurries(refused: Any) -> Any:
    return lambda operation, kind, retry_after, detail: refused(operation, kind, None, detail)


SENDING = (
    Mistake("everything is sent twice", _sends_again(lambda _: True)),
    Mistake("a refusal is tried again", _sends_again(_is_definite_refusal)),
    Mistake("an unclear write is sent again", _sends_again(lambda outcome: isinstance(outcome, Unclear)), (WRITES,)),
    Mistake("a timeout is a refusal", _concludes(_timeout_is_refusal)),
    Mistake("a timeout counts as never sent", _concludes(_timeout_is_unsent)),
    Mistake("a server's error is a refusal", _concludes(_server_error_is_refusal)),
    Mistake("what never left counts as unclear", _concludes(_unsent_is_unclear)),
    Mistake("a contradiction counts as no answer", _concludes(_contradiction_is_unclear), (ECHOES,)),
    Mistake("an unclear write has failed", replaced(machine, "_unclear", _fails_unclear), (WRITES,)),
    Mistake("404 after a create is final", replaced(machine, "_refused", _fails_absent_create), (CREATES,)),
    Mistake("the next try comes before Retry-After", replaced(machine, "_refused", _hurries), (RATE_LIMITED, WRITES)),
    Mistake("redirects are followed with credentials", replaced(Upstream, "_ask", _follows)),
    Mistake(
        "a refused token is used again",
        replaced(sender, "_turned_away", lambda _: lambda result, effect: False),
        (LOGS_IN,),
    ),
    Mistake("answers of any size are read", replaced(sender, "REPLY_LIMIT", lambda _: 1 << 40)),
    Mistake(
        "credentials that an error repeats are kept",
        replaced(Upstream, "_without_secrets", lambda _: lambda self, body: body),
    ),
)
