"""The journal's records."""

from __future__ import annotations

import pytest

from gateway.operation import instant


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
        (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
        (1_767_225_600_007, "2026-01-01T00:00:00.007Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_moment_is_told_to_the_millisecond(milliseconds: int, told: str) -> None:
    assert instant(milliseconds) == told
