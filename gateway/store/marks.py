"""The journal marks parameters with `?`; psycopg wants `%s`, and `%%` for a plain percent sign."""

from __future__ import annotations

import re
from functools import lru_cache

# Strings, quoted names and comments are passed over: a question mark in them is text.
_PART = re.compile(r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \?""", re.DOTALL | re.VERBOSE)


@lru_cache(maxsize=512)
def translated(sql: str) -> str:
    """One statement with psycopg's marks."""
    escaped = sql.replace("%", "%%")
    return _PART.sub(lambda part: "%s" if part[0] == "?" else part[0], escaped)
