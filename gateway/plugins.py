"""Finds the plugins: whatever is installed under the entry-point group `payout_gateway.providers`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from providers.sdk import Effect, Provider

GROUP = "payout_gateway.providers"


@cache
def installed() -> Mapping[str, type[Provider]]:
    """Provider name to class, in the order of names. Raises TypeError where an entry is not a Provider."""
    found: dict[str, type[Provider]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        plugin = entry.load()
        if not (isinstance(plugin, type) and issubclass(plugin, Provider) and plugin.name == entry.name):
            raise TypeError(f"entry point {entry.name!r} of {GROUP} must be a Provider with that name")
        found[entry.name] = plugin
    return found


@cache
def offers(provider: str) -> Mapping[str, tuple[Effect, str]]:
    """What an installed provider offers. Raises KeyError."""
    return installed()[provider].offers()
