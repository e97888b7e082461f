"""What a change of the config does, in words: which calls go elsewhere, and what is permitted otherwise.

Nothing is sampled: every kind of call that the conditions of either config tell from others is routed by both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from gateway.config import Ask, Asks, Config, Route, Tables, kinds_of_payouts, taken_by, told_apart
from gateway.engine.permitting import approvals_changed, changed, keys_changed, limits_changed, others_changed
from gateway.engine.routes import ask_of, place, ways
from gateway.engine.service import caller_of_key
from gateway.keys import SCOPES, Caller
from gateway.plugins import offers

ANY_KEY = Caller("any key", "default", frozenset(SCOPES))
Configs = tuple[Config, Config]
Callers = tuple[Caller | None, Caller | None]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that go elsewhere. `calls` and `keys`: in words, none is all."""

    operation: str
    calls: tuple[str, ...]
    keys: tuple[str, ...]
    before: str
    after: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """All but `moved` are sentences, and `others` paths."""

    old: str
    new: str
    connections: list[str]
    moved: list[Moved]
    lists: list[str]
    limits: list[str]
    approvals: list[str]
    keys: list[str]
    others: list[str]


def difference(old: Config, new: Config) -> Difference:
    return Difference(
        old=old.version,
        new=new.version,
        connections=list(_connections(old, new)),
        moved=list(_moved(old, new)),
        lists=list(_lists(old, new)),
        limits=list(limits_changed(old, new)),
        approvals=list(approvals_changed(old, new)),
        keys=list(keys_changed(old, new)),
        others=others_changed(old, new),
    )


def _connections(old: Config, new: Config) -> Iterator[str]:
    for name in old.connections.keys() - new.connections.keys():
        yield f"{name} is gone: calls and ids that name it are refused"
    for name in new.connections.keys() - old.connections.keys():
        yield f"{name} is new, at {new.connections[name].base_url}"
    for name in sorted(old.connections.keys() & new.connections.keys()):
        before, after = (msgspec.structs.asdict(config.connections[name]) for config in (old, new))
        for field in (field for field in before if field != "limits"):
            yield from changed(f"{name}: {field}", before[field], after[field])


Change = tuple[str, tuple[str, ...], str, str]  # operation, calls, before, after


def _moved(old: Config, new: Config) -> Iterator[Moved]:
    names = dict.fromkeys(key.name for config in (old, new) for key in config.api_keys)
    found: dict[Change, list[str]] = {}
    asking: dict[str, set[str]] = {}
    changes: dict[object, list[Change]] = {}  # of keys that no route tells apart
    for name in names or [ANY_KEY.name]:
        callers = caller_named(old, name), caller_named(new, name)
        for operation in _operations(callers):
            asking.setdefault(operation, set()).add(name)
            alike = operation, *((each.tenant, each.tags, each.connections) if each else None for each in callers)
            if alike not in changes:
                changes[alike] = list(_changes((old, new), callers, operation))
            for change in changes[alike]:
                found.setdefault(change, []).append(name)
    for (operation, calls, before, after), keys in found.items():
        everybody = len(keys) == len(asking[operation])
        some = () if everybody else tuple(keys)
        yield Moved(operation=operation, calls=calls, keys=some, before=before, after=after)


def _operations(callers: Callers) -> Iterator[str]:
    """The calls of a key that routes decide; lists ask all connections, or a route by its name."""
    scopes = {scope for caller in callers if caller for scope in caller.scopes}
    if "payouts:write" in scopes:
        yield "create"
    if "payouts:read" in scopes:
        yield from ("stats", "export")


def caller_named(config: Config, name: str) -> Caller | None:
    """A key's caller; anybody where the config has no keys at all."""
    if not config.api_keys:
        return ANY_KEY
    return next((caller_of_key(key) for key in config.api_keys if key.name == name), None)


def _changes(configs: Configs, callers: Callers, operation: str) -> Iterator[Change]:
    return _creates(configs, callers) if operation == "create" else _reads(configs, callers, operation)


def _creates(configs: Configs, callers: Callers) -> Iterator[Change]:
    asks = tuple(ask_of(caller or ANY_KEY, "create") for caller in callers)
    tables = [taken_by(config.routes, ask) for config, ask in zip(configs, asks, strict=True)]
    currencies = [connection.currency for config in configs for connection in config.connections.values()]

    def both(tables: Tables, asks: Asks) -> list[str]:
        return [
            way(config, caller, next(iter(routes), None), ask)
            for config, caller, routes, ask in zip(configs, callers, tables, asks, strict=True)
        ]

    for labels, (before, after) in told_apart(tables, asks, kinds_of_payouts(tables, currencies, apart=True), both):
        if before != after:
            yield "create", tuple(" or ".join(names) for names in labels if names), before, after


def way(config: Config, caller: Caller | None, route: Route | None, ask: Ask) -> str:
    """Where such calls go, in words."""
    if caller is None:
        return "refused: no such key"
    if route is None:
        return "refused: no route"
    found = ways(config, route, caller, ask).shares()
    total = sum(weight for weight, _ in found)
    told = []
    for weight, routing in found:
        share = f"{100 * weight / total:.0f} % " if len(found) > 1 else ""
        why = routing.candidates[0].why if routing.candidates else "no connection that this key may use"
        told.append(share + (" then ".join([routing.taken, *routing.reserve]) if routing.taken else f"refused: {why}"))
    return ", ".join(told)


def _reads(configs: Configs, callers: Callers, operation: str) -> Iterator[Change]:
    """Figures and files that name neither a connection nor a route."""
    before, after = (_read(config, caller, operation) for config, caller in zip(configs, callers, strict=True))
    if before != after:
        yield operation, (), before, after


def _read(config: Config, caller: Caller | None, operation: str) -> str:
    if caller is None:
        return "refused: no such key"
    taken = place(config, caller, ask_of(caller, operation)).taken
    offering = [name for name in _offering(config, operation) if caller.may_use(name)]
    return taken or (offering[0] if len(offering) == 1 else "refused: no route")


def _offering(config: Config, operation: str) -> list[str]:
    return [name for name, connection in sorted(config.connections.items()) if operation in offers(connection.provider)]


def _lists(old: Config, new: Config) -> Iterator[str]:
    for operation in ("list_payouts", "list_requests"):
        yield from _asked(f"{operation} without a route", _offering(old, operation), _offering(new, operation))
    before, after = ({route.name: route.connections for route in config.routes} for config in (old, new))
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield f"?route={name} is refused: the route is gone"
        elif name not in before:
            yield f"?route={name} is new: it asks {', '.join(after[name])}"
        else:
            yield from _asked(f"?route={name}", before[name], after[name])


def _asked(list_: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    if list(before) != list(after):
        yield f"{list_} asked {', '.join(before) or 'none'} and will ask {', '.join(after) or 'none'}"
