"""What a change of the config permits otherwise, in sentences: limits, approvals and keys; and what else changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from gateway.config import ApiKey, ApprovalPolicy, Config, Limits
from gateway.store.limits import AMOUNTS
from providers.sdk import Money

T = TypeVar("T")
ELSEWHERE = ("connections", "routes", "approvals", "api_keys")  # each has sentences of its own
HASH = "sha256"


def limits_changed(old: Config, new: Config) -> Iterator[str]:
    before, after = _limited(old), _limited(new)
    for holder, limits in after.items():
        was, becomes = _limits(before.get(holder, Limits())), _limits(limits)
        for name in dict.fromkeys([*was, *becomes]):
            yield from changed(f"{holder}: {name}", was.get(name), becomes.get(name))


def _limited(config: Config) -> dict[str, Limits]:
    connections = {f"connection {name}": item.limits for name, item in config.connections.items()}
    return connections | {f"key {key.name}": key.limits for key in config.api_keys}


def _limits(limits: Limits) -> dict[str, str]:
    """Each limit by its name, in words."""
    found = {"rate": str(limits.rate)} if limits.rate else {}
    if limits.concurrency is not None:
        found["concurrency"] = str(limits.concurrency)
    for currency, amounts in limits.amounts.items():
        for name in AMOUNTS:
            most = getattr(amounts, name)
            if most is not None:
                found[f"{name} in {currency}"] = _money(currency, most)
    return found


def approvals_changed(old: Config, new: Config) -> Iterator[str]:
    before, after = ({each.name: _policy(each) for each in config.approvals} for config in (old, new))
    yield from _named(before, after)
    for name in after:
        if name in before:
            yield from changed(name, before[name], after[name])


def _policy(policy: ApprovalPolicy) -> str:
    when = policy.when
    named = (
        (when.operation, "for {}"),
        (when.currency, "in {}"),
        (when.connection, "on connection {}"),
        (when.tenant, "of tenant {}"),
    )
    parts = [text.format(" or ".join(names)) for names, text in named if names is not None]
    if when.above is not None and when.currency:
        parts.append(f"above {_money(when.currency[0], when.above)}")
    which = ", ".join(parts) or "for every write"
    return f"{policy.approvers} approval{'s' * (policy.approvers > 1)} within {policy.expires_after} s, {which}"


def keys_changed(old: Config, new: Config) -> Iterator[str]:
    """Never a hash: whoever reads this need not know what a key can be tried against."""
    before, after = ({key.name: key for key in config.api_keys} for config in (old, new))
    yield from _named(before, {name: f"scopes {', '.join(key.scopes)}" for name, key in after.items()})
    for name, key in after.items():
        if name in before:
            yield from _key(before[name], key)


def _key(before: ApiKey, after: ApiKey) -> Iterator[str]:
    if set(before.hashes) != set(after.hashes):
        yield f"{after.name}: {HASH} is another"
    was, becomes = _fields(before), _fields(after)
    for name in becomes:
        yield from changed(f"{after.name}: {name}", was[name], becomes[name])


def _fields(key: ApiKey) -> dict[str, object]:
    found = {name: value for name, value in msgspec.structs.asdict(key).items() if name not in ("limits", HASH)}
    return found | {"connections": "all" if key.connections is None else key.connections}


def _named(before: Mapping[str, T], after: Mapping[str, str]) -> Iterator[str]:
    """Those that go and those that come."""
    yield from (f"{name} is gone" for name in before if name not in after)
    yield from (f"{name} is new: {what}" for name, what in after.items() if name not in before)


def _money(currency: str, minor_units: int) -> str:
    return f"{Money(currency, minor_units).decimal()} {currency}"


def changed(name: str, before: object, after: object) -> Iterator[str]:
    if before != after:
        yield f"{name} was {_said(before)}, becomes {_said(after)}"


def _said(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)


def others_changed(old: Config, new: Config) -> list[str]:
    """The paths of whatever else is another."""
    before, after = (msgspec.to_builtins(config) for config in (old, new))
    return [path for name in before if name not in ELSEWHERE for path in _paths(name, before[name], after[name])]


def _paths(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, Sequence) and isinstance(after, Sequence) and not isinstance(before, str):
        before, after = dict(enumerate(before)), dict(enumerate(after))
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from _paths(f"{path}.{name}", before.get(name), after.get(name))
    elif before != after:
        yield path
