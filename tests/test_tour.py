"""The README's tour gives the answers that the README shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tour import Dev, answer_of, normal, running_dev, steps


@pytest.fixture(scope="module")
def dev() -> Iterator[Dev]:
    with running_dev() as made:
        yield made


@pytest.mark.parametrize(("command", "answer"), steps())
def test_the_tour_gives_the_answers_that_it_shows(dev: Dev, command: str, answer: str) -> None:
    assert answer
    assert normal(answer_of(dev, command)) == normal(answer)
