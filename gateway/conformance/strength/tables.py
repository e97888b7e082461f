"""Every entry of a plugin's tables, changed to every other value and deleted.

The tables are where a payout's meaning stands, and no tool mutates them: status words, what an error status means,
and which statuses are a success. The last two are seen in the calls themselves, call by call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway.conformance.strength.mutant import Family, Mutant, Plugin, subclass, substituted, with_calls
from providers.sdk import Call, PayoutStatus, RefusalKind, RequestStatus

Words = Mapping[str, PayoutStatus | RequestStatus]

# Beside the deletion, which for a word is `unknown` and for an error status is `unclear`.
SUCCESSES = (frozenset({201}), frozenset({202}), frozenset({204}), frozenset({200, 202}), frozenset({200, 204}))


def table_mutants(plugin: Plugin, calls: Mapping[str, Call[Any]]) -> Iterator[Mutant]:
    """`calls`: one call of each capability that the plugin offers, and of its login."""
    for table, words in _word_tables(plugin).items():
        yield from _word_mutants(table, words)
    for capability, call in calls.items():
        yield from _refusal_mutants(capability, call)
        yield from _success_mutants(capability, call)


def _word_tables(plugin: Plugin) -> dict[str, Words]:
    members = {name: getattr(plugin, name) for name in dir(plugin)}
    return {name: member for name, member in members.items() if _is_word_table(member)}


def _is_word_table(member: object) -> bool:
    words = member.values() if isinstance(member, Mapping) else ()
    return bool(words) and all(isinstance(each, PayoutStatus | RequestStatus) for each in words)


def _word_mutants(table: str, words: Words) -> Iterator[Mutant]:
    for word, status in words.items():
        rest = {each: meaning for each, meaning in words.items() if each != word}
        yield _table_mutant(table, f"{word} deleted", rest)
        for other in type(status):
            if other not in (status, type(status).UNKNOWN):
                yield _table_mutant(table, f"{word} is {other}", {**words, word: other})


def _table_mutant(table: str, change: str, words: Words) -> Mutant:
    def made(plugin: Plugin) -> Plugin:
        return subclass(plugin, **{table: words})

    return Mutant(Family.TABLE, f"{table}: {change}", substituted(made))


def _refusal_mutants(capability: str, call: Call[Any]) -> Iterator[Mutant]:
    for status, kind in call.refuses.items():
        rest = {each: meaning for each, meaning in call.refuses.items() if each != status}
        yield _call_mutant(capability, f"{status} deleted", refuses=rest)
        for other in RefusalKind:
            if other not in (kind, RefusalKind.UNCLEAR):
                yield _call_mutant(capability, f"{status} is {other}", refuses={**call.refuses, status: other})


def _success_mutants(capability: str, call: Call[Any]) -> Iterator[Mutant]:
    for success in (frozenset[int](), *SUCCESSES):
        if success != call.success:
            shown = ", ".join(str(status) for status in sorted(success)) or "none"
            yield _call_mutant(capability, f"success is {shown}", success=success)


def _call_mutant(capability: str, change: str, **fields: Any) -> Mutant:
    def changed(name: str, call: Call[Any]) -> Call[Any]:
        return replace(call, **fields) if name == capability else call

    def made(plugin: Plugin) -> Plugin:
        return with_calls(plugin, changed)

    return Mutant(Family.TABLE, f"{capability}: {change}", substituted(made), frozenset({capability}))
