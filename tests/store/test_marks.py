"""One text of each statement serves both engines."""

from __future__ import annotations

import pytest

from gateway.store.interface import Store
from gateway.store.marks import translated


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("a = ? AND b IN (?, ?)", "a = %s AND b IN (%s, %s)"),
        ("a = '?' AND b = ?", "a = '?' AND b = %s"),
        ("a = 'it''s ?' AND b = ?", "a = 'it''s ?' AND b = %s"),
        ('"odd ? name" = ?', '"odd ? name" = %s'),
        ("a LIKE '100%' AND b = ?", "a LIKE '100%%' AND b = %s"),
        ("a % 2 = ?", "a %% 2 = %s"),
        ("a = ? -- why?\n AND b = ?", "a = %s -- why?\n AND b = %s"),
        ("a = /* or ? */ ?", "a = /* or ? */ %s"),
    ],
)
def test_only_a_mark_becomes_a_parameter(ours: str, theirs: str) -> None:
    assert translated(ours) == theirs


@pytest.mark.anyio
async def test_percent_signs_and_question_marks_mean_the_same_on_both_engines(store: Store) -> None:
    with_parameter = await store.read(lambda tx: tx.execute("SELECT '50%?', 7 % 4, CAST(? AS TEXT)", ("%s?",)))
    assert [tuple(row) for row in with_parameter] == [("50%?", 3, "%s?")]
    without = await store.read(lambda tx: tx.execute("SELECT '%s', 7 % 4"))
    assert [tuple(row) for row in without] == [("%s", 3)]
