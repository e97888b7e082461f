"""Finds the plugins: whatever is installed under the entry-point group `payout_gateway.providers`.

A plugin's contract lies in a folder `contract` beside its module (`openapi.yaml`, and for the contract tests
`mapping.yaml` and `scenarios.yaml`); those of the built-in ones lie in `contracts/<name>`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import contracts
from contracts.document import Document
from providers.sdk import Effect, Provider

GROUP = "payout_gateway.providers"
CONTRACTS = Path(contracts.__file__).parent  # those of the built-in plugins


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
