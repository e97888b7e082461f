"""Both journal engines, on real files and a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.interface import Store
from gateway.store.opening import open_store
from tests.servers import PostgresServer, RedisServer, shared_postgres, shared_redis


@pytest.fixture
def postgres() -> PostgresServer:
    """The session's server. A test that stops it starts it again."""
    return shared_postgres()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """An empty database."""
    return postgres.new_database()


@pytest.fixture
def redis() -> RedisServer:
    server = shared_redis()
    server.flush()
    return server


@pytest.fixture
def redis_url(redis: RedisServer) -> str:
    return redis.url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def journal_url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A journal that does not exist yet, on each engine in turn."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def store(journal_url: str) -> AsyncIterator[Store]:
    opened = open_store(journal_url)
    yield opened
    await opened.close()
