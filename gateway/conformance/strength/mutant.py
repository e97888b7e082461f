"""A fault that is put into a plugin, or into the way that its calls take. A suite that misses it is too weak."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Any

from providers.sdk import CAPABILITIES, Call, Provider

Plugin = type[Provider]
Applied = Callable[[Plugin], AbstractContextManager[Plugin]]
Change = Callable[[Call[Any]], Call[Any]]


class Family(StrEnum):
    TABLE = "table"  # an entry of a table of the plugin's
    DOMAIN = "domain"  # a mistake that payment integrations are known to make
    SOURCE = "source"  # a small change of the source, by mutmut's operators


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault. `applied` is where it holds: a context that gives the plugin to test.

    `capabilities` are those that it can show in; None: in any.
    """

    family: Family
    name: str
    applied: Applied
    capabilities: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Inapplicable:
    """A fault that this provider cannot have; it is named and not counted."""

    name: str
    reason: str


def substituted(make: Callable[[Plugin], Plugin]) -> Applied:
    """A fault that is a changed plugin and touches nothing else."""

    @contextmanager
    def applied(plugin: Plugin) -> Iterator[Plugin]:
        yield make(plugin)

    return applied


def replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Applied:
    """A fault that is one attribute of a module or class of ours, changed as long as it holds."""

    @contextmanager
    def applied(plugin: Plugin) -> Iterator[Plugin]:
        original = owner.__dict__[name]
        setattr(owner, name, make(original))
        try:
            yield plugin
        finally:
            setattr(owner, name, original)

    return applied


def subclass(plugin: Plugin, **members: Any) -> Plugin:
    return type(plugin.__name__, (plugin,), {"__module__": plugin.__module__, **members})


def with_calls(plugin: Plugin, change: Callable[[str, Call[Any]], Call[Any]]) -> Plugin:
    """The plugin with each of its calls changed; `change` is told the capability, or `login`."""
    names = [name for name in (*CAPABILITIES, "login") if getattr(plugin, name) is not getattr(Provider, name)]
    return subclass(plugin, **{name: _changed(getattr(plugin, name), name, change) for name in names})


def _changed(method: Any, name: str, change: Callable[[str, Call[Any]], Call[Any]]) -> Any:
    @wraps(method)
    def build(self: Provider, *args: Any, **kwargs: Any) -> Call[Any] | None:
        call = method(self, *args, **kwargs)
        return None if call is None else change(name, call)

    return build
