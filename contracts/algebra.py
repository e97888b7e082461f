"""Set algebra over schemas. jsonschema-rs calls it experimental: nothing else of ours touches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
from jsonschema_rs.canonical import Containment

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def covers(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    """Whether every value that `narrow` admits is provably admitted by `wide`. False also where it cannot be told."""
    try:
        return _canonical(wide).covers(_canonical(narrow)) is Containment.YES
    # Experimental: whatever it stumbles over is no proof.
    except Exception:
        return False


def _canonical(schema: Mapping[str, Any]) -> jsonschema_rs.CanonicalSchema:
    return jsonschema_rs.canonicalize({**schema, "$schema": DIALECT}, validate_formats=True)
