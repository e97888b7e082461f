"""Writes a parsed config back as TOML, for commands that take a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def written(raw: dict[str, Any], path: Path) -> Path:
    lines: list[str] = []
    for section, value in raw.items():
        if isinstance(value, list):
            for item in value:
                lines += [f"[[{section}]]", *_fields(item)]
        elif section == "connections":
            for name, item in value.items():
                lines += [f"[connections.{name}]", *_fields(item)]
        else:
            lines += [f"[{section}]", *_fields(value)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _fields(table: dict[str, Any]) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in table.items()]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_value(item)}" for name, item in value.items()) + " }"
    return json.dumps(value)
