"""What every contract test asks for: a provider's name, its oracle and its contract."""

from __future__ import annotations

import pytest

from contracts.document import Document
from contracts.mapping import Mapping
from tests.contracts.plugins import PROVIDERS


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def oracle(provider: str) -> Mapping:
    return Mapping.load(provider)


@pytest.fixture
def document(provider: str) -> Document:
    return Document.load(provider)
