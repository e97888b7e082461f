"""Whole lives of a payout (`contracts/<name>/scenarios.yaml`): the same file runs against the simulator and live."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any, Literal

import jsonschema_rs
import msgspec
import yaml

from providers.sdk import CAPABILITIES


class ScenariosInvalid(ValueError):
    """The file departs from `scenarios.schema.json`, or names what there is not."""


class Expectation(msgspec.Struct, frozen=True):
    """`outcome`: what became of the send; `because`: the kind of a refusal; `shows`: place to value, or to some."""

    outcome: str = "answered"
    because: str | None = None
    status: int | None = None
    shows: dict[str, Any] = {}


class Poll(msgspec.Struct, frozen=True):
    """Call again after `every` seconds, `times` times at most."""

    every: float
    times: int


class Step(msgspec.Struct, frozen=True, rename={"words": "with"}):
    """One of three: `call` of a capability, `send` of a request as it is, or a `fault` that the next call meets."""

    call: str | None = None
    words: dict[str, Any] | str = {}
    send: str | None = None
    body: Any = None
    fault: dict[str, Any] | None = None
    pages: int = 1
    poll: Poll | None = None
    expect: Expectation = Expectation()
    keep: dict[str, str] = {}


class Scenario(msgspec.Struct, frozen=True):
    """`simulator`: it cannot run anywhere else."""

    name: str
    steps: tuple[Step, ...]
    simulator: bool = False
    credentials: Literal["right", "wrong"] = "right"


def scenarios_in(folder: Path) -> tuple[Scenario, ...]:
    """The scenarios that lie beside a contract; none where there is no such file. Raises ScenariosInvalid."""
    path = folder / "scenarios.yaml"
    if not path.is_file():
        return ()
    try:
        raw = yaml.safe_load(path.read_bytes())
        _validator().validate(raw)
    except (yaml.YAMLError, jsonschema_rs.ValidationError) as error:
        raise ScenariosInvalid(f"{path}: {error}") from None
    found = msgspec.convert(raw["scenarios"], tuple[Scenario, ...])
    unknown = {step.call for scenario in found for step in scenario.steps} - {None, *CAPABILITIES}
    if unknown:
        raise ScenariosInvalid(f"{path}: no capability is called {', '.join(map(str, unknown))}")
    return found


def filled(value: Any, kept: Mapping[str, Any]) -> Any:
    """`$name` alone becomes what was kept, in a longer text its spelling. Raises ScenariosInvalid."""
    if isinstance(value, str):
        return _filled(value, kept)
    if isinstance(value, dict):
        return {filled(name, kept): filled(each, kept) for name, each in value.items()}
    return [filled(each, kept) for each in value] if isinstance(value, list) else value


def _filled(text: str, kept: Mapping[str, Any]) -> Any:
    name = text.removeprefix("$")
    try:
        return kept[name] if text == f"${name}" and name.isidentifier() else Template(text).substitute(kept)
    except (KeyError, ValueError):
        raise ScenariosInvalid(f"in {text!r} something is named that no step before has kept") from None


def shown(result: Any, place: str) -> Any:
    """What stands at a place; None where nothing does."""
    for part in place.split("/")[1:]:
        result = _inside(result, part)
    return result


def _inside(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if not isinstance(value, list):
        return None
    name, chosen, wanted = part.partition("=")
    if chosen:
        return next((item for item in value if str(item.get(name)) == wanted), None)
    return value[int(part)] if int(part) < len(value) else None


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    text = (Path(__file__).parent / "scenarios.schema.json").read_text("utf-8")
    return jsonschema_rs.Draft202012Validator(json.loads(text))
