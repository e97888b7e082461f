"""In which line of a TOML file each key stands. The parser itself gives no positions."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

Path = tuple[str | int, ...]
_KEY = re.compile(r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'|[\s.])+=""")


def lines_of(text: str) -> dict[str, int]:
    """Dotted path of every table and key to its line, from 1. What stands inside a value has the value's line."""
    found: dict[str, int] = {}
    tables: dict[Path, int] = {}  # how many of each array of tables there were so far
    here: Path = ()
    for number, statement in _statements(text):
        plain = statement.lstrip()
        if plain.startswith("[["):
            path = _resolved(_keys(tomllib.loads(statement)), tables, last=False)
            tables[path] = tables.get(path, -1) + 1
            here = (*path, tables[path])
            found.setdefault(_dotted(path), number)
            found[_dotted(here)] = number
        elif plain.startswith("["):
            here = _resolved(_keys(tomllib.loads(statement)), tables)
            found[_dotted(here)] = number
        elif plain and not plain.startswith("#"):
            found[_dotted((*here, *_keys(tomllib.loads(f"{_KEY.match(plain)[0]} 0"))))] = number  # type: ignore[index]
    return found


def line_of(path: str, lines: Mapping[str, int]) -> int | None:
    """The line of a path, or of what it stands in."""
    while path:
        if path in lines:
            return lines[path]
        path = path.rpartition(".")[0]
    return None


def _statements(text: str) -> list[tuple[int, str]]:
    """Each table header and each key with its whole value, and the line in which it begins."""
    found: list[tuple[int, str]] = []
    pending, began = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        began = began if pending else number
        pending = f"{pending}\n{line}" if pending else line
        if _is_whole(pending):
            found.append((began, pending))
            pending = ""
    return found


def _is_whole(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _keys(parsed: dict[str, Any]) -> Path:
    """The path that one statement sets: its first key, and on through what only the dots made."""
    keys: list[str | int] = []
    value: Any = parsed
    while isinstance(value, dict) and len(value) == 1:
        name, value = next(iter(value.items()))
        keys.append(name)
    return tuple(keys)


def _resolved(path: Path, tables: Mapping[Path, int], last: bool = True) -> Path:
    """With the place in each array of tables that the path goes through."""
    found: Path = ()
    for place, part in enumerate(path, start=1):
        found = (*found, part)
        if found in tables and (last or place < len(path)):
            found = (*found, tables[found])
    return found


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
