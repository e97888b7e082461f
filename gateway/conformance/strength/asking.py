"""Mistakes in what is asked of a provider: what leaves is not what the caller wanted."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import msgspec

from gateway.conformance.strength.mistake import (
    CONVERGENT,
    CREATES,
    DECIMALS,
    FILTERS,
    GUARDED,
    IDS_IN_PATHS,
    MARKS,
    PAGES,
    SENDS_AMOUNT,
    SENDS_BODY,
    SENDS_HEADERS,
    SENDS_NOTES,
    SENDS_REFERENCE,
    WRITES,
    Mistake,
)
from gateway.conformance.strength.mutant import Applied, Plugin, replaced, subclass, substituted, with_calls
from providers.sdk import CAPABILITIES, Call, Effect, Money, exponent, money

METHODS = {"GET": "POST", "POST": "PUT", "PUT": "POST"}


def _calls(change: Callable[[Call[Any]], Call[Any]]) -> Applied:
    return substituted(lambda plugin: with_calls(plugin, lambda _, call: change(call)))


def _without(node: Any, unwanted: Callable[[str, Any], bool]) -> Any:
    """JSON without some members of its objects."""
    if isinstance(node, dict):
        return {name: _without(each, unwanted) for name, each in node.items() if not unwanted(name, each)}
    return [_without(each, unwanted) for each in node] if isinstance(node, list) else node


def _body_without(call: Call[Any], unwanted: Callable[[str, Any], bool]) -> Call[Any]:
    if call.body is None:
        return call
    return replace(call, body=msgspec.json.encode(_without(msgspec.json.decode(call.body), unwanted)))


def _drops_reference(call: Call[Any]) -> Call[Any]:
    if call.reference is None:
        return call
    return _body_without(call, lambda _, value: value == call.reference)


def _new_reference_each_time() -> Callable[[Call[Any]], Call[Any]]:
    count = itertools.count(10)

    def changed(call: Call[Any]) -> Call[Any]:
        if call.reference is None or call.body is None:
            return call
        other = f"{call.reference[:-2]}{next(count) % 100:02}"
        return replace(call, body=call.body.replace(call.reference.encode(), other.encode()), reference=other)

    return changed


def _drops_notes(call: Call[Any]) -> Call[Any]:
    return _body_without(call, lambda name, _: name == "notes") if "notes" in call.carried else call


def _adds_a_field(call: Call[Any]) -> Call[Any]:
    body = msgspec.json.decode(call.body) if call.body else None
    return replace(call, body=msgspec.json.encode({**body, "priority": "high"})) if isinstance(body, dict) else call


def _other_money(change: Callable[[Money], int]) -> Applied:
    """Another amount leaves; all else, the reading of the answer too, is as it was."""

    def built(method: Any) -> Any:
        @wraps(method)
        def build(self: Any, *args: Any, **kwargs: Any) -> Call[Any]:
            wrong = method(self, *map(_repriced, args), **{name: _repriced(each) for name, each in kwargs.items()})
            call: Call[Any] = method(self, *args, **kwargs)
            return replace(call, body=wrong.body)

        return build

    def _repriced(argument: Any) -> Any:
        prices = {name: value for name, value in _fields(argument) if isinstance(value, Money)}
        wrong = {name: Money(value.currency, change(value)) for name, value in prices.items()}
        return msgspec.structs.replace(argument, **wrong) if wrong else argument

    def made(plugin: Plugin) -> Plugin:
        offered = [name for name in ("create", "put_settings") if name in plugin.offers()]
        return subclass(plugin, **{name: built(getattr(plugin, name)) for name in offered})

    return substituted(made)


def _fields(argument: Any) -> list[tuple[str, Any]]:
    return [(name, getattr(argument, name)) for name in getattr(argument, "__struct_fields__", ())]


def _through_float(amount: Money) -> int:
    unit = 10 ** exponent(amount.currency)
    return int(amount.minor_units / unit * unit)


def _other_query(**fields: Any) -> Applied:
    """A list that is asked with some of the caller's wishes forgotten."""

    def built(method: Any) -> Any:
        @wraps(method)
        def build(self: Any, query: Any) -> Call[Any]:
            call: Call[Any] = method(self, msgspec.structs.replace(query, **fields))
            return call

        return build

    def made(plugin: Plugin) -> Plugin:
        offered = [name for name in ("list_payouts", "list_requests") if name in plugin.offers()]
        return subclass(plugin, **{name: built(getattr(plugin, name)) for name in offered})

    return substituted(made)


def _declared(effect: Effect, weaker: Effect) -> Applied:
    def built(method: Any) -> Any:
        @wraps(method)
        def build(self: Any, *args: Any, **kwargs: Any) -> Call[Any]:
            return replace(method(self, *args, **kwargs), effect=weaker)

        vars(build)["effect"] = weaker
        return build

    def made(plugin: Plugin) -> Plugin:
        methods = {name: getattr(plugin, name) for name in CAPABILITIES}
        declared = {name: each for name, each in methods.items() if getattr(each, "effect", None) is effect}
        return subclass(plugin, **{name: built(each) for name, each in declared.items()})

    return substituted(made)


def _unchecked_ids(plugin: Plugin) -> Plugin:
    return subclass(plugin, check_id=lambda self, id, pointer="/id": id)


def _unauthorised(plugin: Plugin) -> Plugin:
    return subclass(plugin, authorize=lambda self, *args, **kwargs: {})


ASKING = (
    Mistake("the reference is not sent", _calls(_drops_reference), (SENDS_REFERENCE,)),
    Mistake("each try has a reference of its own", _calls(_new_reference_each_time()), (SENDS_REFERENCE,)),
    Mistake("a hundred times the amount is sent", _other_money(lambda each: each.minor_units * 100), (SENDS_AMOUNT,)),
    Mistake("a hundredth of the amount is sent", _other_money(lambda each: each.minor_units // 100), (SENDS_AMOUNT,)),
    Mistake("the amount goes through a float", _other_money(_through_float), (SENDS_AMOUNT,)),
    Mistake("every currency has two digits", replaced(money, "exponent", lambda _: lambda currency: 2), (DECIMALS,)),
    Mistake("notes are dropped in silence", _calls(_drops_notes), (SENDS_NOTES,)),
    Mistake(
        "a request claims to carry what it does not",
        _calls(lambda call: replace(call, carried=("reference", "notes", "reason"))),
        (MARKS,),
    ),
    Mistake("a field that nobody documents is sent", _calls(_adds_a_field), (SENDS_BODY,)),
    Mistake("the request's own headers are not sent", _calls(lambda call: replace(call, headers=())), (SENDS_HEADERS,)),
    Mistake("no credentials are sent", substituted(_unauthorised)),
    Mistake("another HTTP method is used", _calls(lambda call: replace(call, method=METHODS[call.method]))),
    Mistake("an id is put into the path unchecked", substituted(_unchecked_ids), (IDS_IN_PATHS,)),
    Mistake("the filter by status is forgotten", _other_query(statuses=frozenset()), (FILTERS,)),
    Mistake("the cursor is forgotten", _other_query(cursor=None), (PAGES,)),
    Mistake("a create is declared harmless to repeat", _declared(Effect.CREATE, Effect.CONVERGENT), (CREATES,)),
    Mistake("a create is declared guarded", _declared(Effect.CREATE, Effect.GUARDED), (CREATES,)),
    Mistake("a guarded write is declared harmless to repeat", _declared(Effect.GUARDED, Effect.CONVERGENT), (GUARDED,)),
    Mistake("a write is declared a read", _declared(Effect.CONVERGENT, Effect.READ), (WRITES, CONVERGENT)),
)
