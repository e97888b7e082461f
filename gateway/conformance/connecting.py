"""The connections over which a plugin is asked: every form of credentials, every way to configure it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import msgspec

from contracts.carrying import Terms
from contracts.cases.asking import example_id
from gateway.conformance.door import TENANT
from gateway.conformance.line import Line
from gateway.conformance.running import BASE_URL, NOW, NoRetries
from gateway.conformance.subject import Subject
from gateway.upstream import Upstream
from providers.sdk import Account, Provider

LATER = 3600  # seconds between the two processes of a connection
_SHIFTED = str.maketrans("123456789abcdefgh", "234567891bcdefgha")


class Connection(NamedTuple):
    """One way to configure the plugin: its settings and credentials, twice, as two processes would hold them."""

    terms: Terms
    ways: tuple[Upstream, Upstream]


def connections(subject: Subject, line: Line) -> Iterator[Connection]:
    """Over the one line; nothing is sent."""
    for settings, credentials, currency in product(_configurations(subject), subject.credentials, _currencies(subject)):
        account = Account(currency, settings)
        first = _way(subject.plugin(account), credentials, line, 0)
        second = _way(subject.plugin(account), credentials, line, LATER)
        known = msgspec.structs.asdict(settings)
        stored = _stored(first.provider)
        yield Connection(Terms(subject.document, subject.mapping, currency, known, stored), (first, second))


def _currencies(subject: Subject) -> list[str | None]:
    """Where connections have a currency of their own: one each with two, with no and with three digits."""
    return [None] if subject.currency is None else [subject.currency, "JPY", "KWD"]


def _stored(provider: Provider) -> Callable[[str], str]:
    return lambda reference: provider.reference(TENANT, reference)


def _way(provider: Provider, credentials: Any, line: Line, late: int) -> Upstream:
    way = Upstream(provider, BASE_URL, lambda: (credentials,), line, clock=lambda: NOW + late)
    way.budget = NoRetries()
    return way


def _configurations(subject: Subject) -> Iterator[msgspec.Struct]:
    """The mapping's settings; then with each optional one absent, and with each other value that it may have."""
    given = subject.mapping.subject.get("settings", {})
    yield msgspec.convert(given, subject.plugin.settings_type)
    for setting in msgspec.structs.fields(subject.plugin.settings_type):
        if setting.required:
            continue
        for value in _choices(setting.type):
            if value != given.get(setting.name):
                yield msgspec.convert({**given, setting.name: value}, subject.plugin.settings_type)


def _choices(kind: Any) -> list[Any]:
    """Values of a setting's type: none, each word of a closed list, both flags, or some text."""
    described = msgspec.inspect.type_info(kind)
    parts = described.types if isinstance(described, msgspec.inspect.UnionType) else (described,)
    found: list[Any] = []
    for part in parts:
        if isinstance(part, msgspec.inspect.NoneType):
            found.append(None)
        if isinstance(part, msgspec.inspect.LiteralType):
            found.extend(part.values)
        if isinstance(part, msgspec.inspect.BoolType):
            found.extend((False, True))
        if isinstance(part, msgspec.inspect.StrType):
            found.append("test-setting-1")
    return found


def native_ids(subject: Subject) -> list[str]:
    """Ids that the provider could have given: what the contract shows, and others of the same shape."""
    mapping, document = subject.mapping, subject.document
    taking = [id for id, rule in mapping.operations.items() if {"id", "ids"} & rule["carries"].keys()]
    given = sorted({example_id(document, document.operations[id], mapping) for id in taking})
    return given + [id.translate(_SHIFTED) for id in given]
