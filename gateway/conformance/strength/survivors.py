"""Why some changes of a plugin's source may pass unnoticed: `survivors.yaml` beside the contract, always checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

NAME = "survivors.yaml"


class SurvivorsInvalid(ValueError):
    """A survivors.yaml that is not a list of {why, mutants}."""


class Doubts(NamedTuple):
    """What is wrong with the explanations."""

    unexplained: list[str]  # it survived, and nothing says why it may
    outdated: list[str]  # it is explained, and does not survive

    def __bool__(self) -> bool:
        return bool(self.unexplained or self.outdated)


def explanations(folder: Path) -> Mapping[str, str]:
    """Each explained mutant with its reason; none where there is no file. Raises SurvivorsInvalid."""
    file = folder / NAME
    entries: Any = yaml.safe_load(file.read_text("utf-8")) if file.is_file() else []
    try:
        return {mutant: entry["why"] for entry in entries or () for mutant in entry["mutants"]}
    except (TypeError, KeyError):
        raise SurvivorsInvalid(f"{file} must be a list of entries with `why` and `mutants`") from None


def doubts(survived: Iterable[str], explained: Mapping[str, str]) -> Doubts:
    found = list(survived)
    return Doubts(
        [name for name in found if name not in explained], [name for name in explained if name not in set(found)]
    )
