"""The oracles of the four shipped providers."""

from __future__ import annotations

from functools import cache
from typing import Any

from contracts.mapping import FOLDER, MARK_FIELDS, Mapping, Shape
from contracts.reading import Unreadable, at, load_json, minor_units, pointers, text, whole

PROVIDERS = ("firstpromoter", "heldsway", "ledger", "tokenio")


class Oracle(Mapping):
    """As the tests beside compare records: without what people see beside the unified fields."""

    def record(self, *args: Any, **kwargs: Any) -> Shape:
        return {name: value for name, value in super().record(*args, **kwargs).items() if name != "extensions"}


@cache
def oracle_of(provider: str) -> Oracle:
    return Oracle(Mapping.load(provider).raw)


__all__ = [
    "FOLDER",
    "MARK_FIELDS",
    "PROVIDERS",
    "Oracle",
    "Shape",
    "Unreadable",
    "at",
    "load_json",
    "minor_units",
    "oracle_of",
    "pointers",
    "text",
    "whole",
]
