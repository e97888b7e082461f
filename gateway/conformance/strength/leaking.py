"""Mistakes that let out what nobody may see: credentials, secrets of an answer, a whole account."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from gateway.conformance.strength.answers import each_record, misread
from gateway.conformance.strength.mistake import MASKS, READS_PAYOUTS, SECRETS, Mistake
from gateway.conformance.strength.mutant import Applied, Plugin, subclass, substituted
from providers.sdk import Payout, Problem, Reply


def leaks(secrets: Sequence[str]) -> Sequence[Mistake]:
    """`secrets`: JSON pointers inside a payout."""
    names = frozenset(pointer.rpartition("/")[2] for pointer in secrets)
    shows_secrets = _extends(lambda body: next(_values(body, names), None))
    return (
        Mistake("the payee's whole account is shown", _unmasked, (MASKS,)),
        Mistake("the whole answer stands in the extensions", _extends(_text), (READS_PAYOUTS,)),
        Mistake("a secret of the answer stands in the extensions", shows_secrets, (SECRETS,)),
        Mistake("the credentials are logged", substituted(_logs)),
        Mistake("the credentials stand in an error's message", substituted(_tells_the_token)),
        Mistake("the whole error body stands in the message", substituted(_repeats_the_body)),
    )


@contextmanager
def _unmasked(plugin: Plugin) -> Iterator[Plugin]:
    module: Any = sys.modules[plugin.__module__]
    original = module.masked
    module.masked = lambda account: account
    try:
        yield plugin
    finally:
        module.masked = original


def _extends(shown: Callable[[bytes], str | None]) -> Applied:
    """An extension more, made of the answer's body."""

    def extended(record: Any, value: str | None) -> Any:
        if value is None or not isinstance(record, Payout):
            return record
        return msgspec.structs.replace(record, extensions={**record.extensions, "more": value})

    return misread(lambda reply, reads: each_record(reads(reply), lambda record: extended(record, shown(reply.body))))


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _values(body: bytes, names: frozenset[str]) -> Iterator[str]:
    """The texts under some names, wherever they stand."""

    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (value for name, value in node.items() if name in names and isinstance(value, str))
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from walk(child)

    return walk(msgspec.json.decode(body))


def _logs(plugin: Plugin) -> Plugin:
    def authorize(self: Any, *args: Any, **kwargs: Any) -> Any:
        headers = plugin.authorize(self, *args, **kwargs)
        logging.getLogger("payouts").info("sending with %s", headers)
        return headers

    return subclass(plugin, authorize=authorize)


def _tells_the_token(plugin: Plugin) -> Plugin:
    def authorize(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.told = plugin.authorize(self, *args, **kwargs)
        return self.told

    def problem(self: Any, reply: Reply) -> Problem:
        return Problem(None, f"refused for {getattr(self, 'told', None)}")

    return subclass(plugin, authorize=authorize, problem=problem)


def _repeats_the_body(plugin: Plugin) -> Plugin:
    return subclass(plugin, problem=lambda self, reply: Problem(None, reply.body.decode("utf-8", "replace")))
