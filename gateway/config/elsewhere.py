"""A config away from its secrets: on the machine of someone who compares it, not where it runs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from gateway.config.model import Config
from gateway.config.plugin import ConfigInvalid


def without_secrets(path: Path, error: ConfigInvalid) -> Config:
    """The config, if all that is wrong with it is secrets that are not here. Raises ConfigInvalid with the rest."""
    if not error.lines:  # it could not even be read
        raise error
    raw = msgspec.to_builtins(tomllib.loads(path.read_text("utf-8")))
    rest = ConfigInvalid([fault for fault in error.faults if not _is_source(_at(raw, fault[0]))])
    rest.lines = error.lines
    if rest.faults:
        raise rest
    return msgspec.convert(raw, Config)


def _at(raw: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(raw, list) and part.isdigit() and int(part) < len(raw):
            raw = raw[int(part)]
        elif isinstance(raw, dict):
            raw = raw.get(part)
        else:
            return None
    return raw


def _is_source(value: Any) -> bool:
    """Whether it says where a secret stands; two of them while it is rotated."""
    places = value if isinstance(value, list) else [value]
    return bool(places) and all(isinstance(place, str) and place.startswith(("env:", "file:")) for place in places)
