"""Finds the plugins: whatever is installed under the entry-point group `payout_gateway.providers`.

A plugin's contract lies in a folder `contract` beside its module (`openapi.yaml`, and for the contract tests
`mapping.yaml` and `scenarios.yaml`); those of the built-in ones lie in `contracts/<name>`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import contracts
from contracts.document import Document
from providers.sdk import Effect, Provider

log = logging.getLogger("gateway.plugins")

GROUP = "payout_gateway.providers"
CONTRACTS = Path(contracts.__file__).parent  # those of the built-in plugins


class PluginUnusable(Exception):
    """An installed plugin that cannot be imported, or is not the Provider that its entry point says."""


def installed() -> Mapping[str, type[Provider]]:
    """Provider name to class, in the order of names; without those that cannot be loaded."""
    return _loaded()[0]


def unusable() -> Mapping[str, str]:
    """Name to reason, of those that are installed and cannot be loaded."""
    return _loaded()[1]


@cache
def _loaded() -> tuple[Mapping[str, type[Provider]], Mapping[str, str]]:
    """Those that can be loaded, and why the others cannot, which is logged once: one broken plugin stops no other."""
    found: dict[str, type[Provider]] = {}
    broken: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            found[entry.name] = _load(entry)
        except PluginUnusable as reason:
            broken[entry.name] = str(reason)
            log.error("%s", reason)
    return found, broken


def _load(entry: EntryPoint) -> type[Provider]:
    """Raises PluginUnusable."""
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "of no package"
    refused = f"plugin {entry.name} ({package}) cannot be loaded"
    try:
        plugin = entry.load()
    except Exception as error:  # whatever somebody else's module raises
        raise PluginUnusable(f"{refused}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    if not (isinstance(plugin, type) and issubclass(plugin, Provider)):
        raise PluginUnusable(f"{refused}: {entry.value} is no providers.sdk.Provider")
    name = getattr(plugin, "name", None)
    if name != entry.name:
        raise PluginUnusable(f"{refused}: the name of {entry.value} is {name!r}, not that of its entry point")
    return plugin


@cache
def offers(provider: str) -> Mapping[str, tuple[Effect, str]]:
    """What an installed provider offers. Raises KeyError."""
    return installed()[provider].offers()


def contract_folder(plugin: type[Provider]) -> Path | None:
    """Where a plugin's contract lies; None where it has none, and then none of its replies can be checked."""
    module = sys.modules[plugin.__module__].__file__
    beside = [Path(module).parent / "contract"] if module else []
    return next((folder for folder in (*beside, CONTRACTS / plugin.name) if (folder / "openapi.yaml").is_file()), None)


def contract_of(plugin: type[Provider]) -> Document | None:
    """A plugin's contract, read once."""
    folder = contract_folder(plugin)
    return None if folder is None else _document(folder)


@cache
def _document(folder: Path) -> Document:
    return Document.load(folder / "openapi.yaml")
