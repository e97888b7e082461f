"""The journal's anchor: a small file, best on another volume, that remembers how long the audit log was.

A journal shorter than its anchor is a restored backup: it has forgotten sends. It boots into recovery (reads and
look-ups, no sends) until a person has reconciled it and says so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec


class Length(msgspec.Struct, frozen=True):
    """How many audit entries there were, and when (milliseconds of the epoch).

    `recovering`: the journal was shorter once, and nobody has accepted it since, however long it has grown.
    """

    entries: int
    at: int
    recovering: bool = False


@dataclass(frozen=True, slots=True)
class Anchor:
    """One file. It is written whole and moved into place, so that a crash leaves the old or the new one."""

    path: Path

    def read(self) -> Length | None:
        """None where there is none yet. Raises msgspec.DecodeError where it is damaged: better loud than guessed."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Length)
        except FileNotFoundError:
            return None

    def write(self, length: Length) -> None:
        fresh = self.path.with_name(f"{self.path.name}.{uuid4().hex}")  # workers share an anchor, and write at once
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(length))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)
