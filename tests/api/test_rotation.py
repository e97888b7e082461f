"""A provider's credentials change without a restart: the file is read again, and two values work meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from contracts.simulator.demo import ACCOUNTS
from tests.api.conftest import config_of, done, later, problem
from tests.conftest import Stack, four_simulators, order, stack_of

pytestmark = pytest.mark.anyio

# The field of each connection's credentials that changes, a write, and what that write is to its provider.
FIELDS = {"aff": "access_token", "promo": "api_key", "sway": "api_secret", "bank": "api_key"}
MARKS = {"aff": "aff:po_test_0002", "promo": "promo:2710287", "sway": "sway:42"}
READ = {"aff": "status=pending&status=approved&status=on_hold"}


class Rotated(Protocol):
    def __call__(self, name: str, *values: str) -> AbstractAsyncContextManager[Stack]: ...


@pytest.fixture
def rotated(tmp_path: Path) -> Rotated:
    """Makes a gateway one field of whose credentials has these values: `right`, or whatever else is wrong."""

    @asynccontextmanager
    async def make(name: str, *values: str) -> AsyncIterator[Stack]:
        async with four_simulators() as simulators:
            raw = config_of(simulators, tmp_path)
            credentials, field = raw["connections"][name]["credentials"], FIELDS[name]
            right = ACCOUNTS[name].credentials[field]
            credentials[field] = [f"file:{_written(tmp_path, place, each, right)}" for place, each in enumerate(values)]
            async with stack_of(raw, simulators) as stack:
                yield stack

    return make


def _written(folder: Path, place: int, value: str, right: str) -> Path:
    path = folder / f"secret_{place}"
    path.write_text(right if value == "right" else value)
    return path


async def read(stack: Stack, name: str) -> int:
    return (await stack.call.get(f"/v1/payouts?connection={name}&{READ.get(name, '')}")).status_code


async def health(stack: Stack, name: str) -> str:
    state: str = (await stack.call.get("/health/ready")).json()["connections"][name]
    return state


async def refusals(stack: Stack, name: str) -> int:
    log: list[dict[str, Any]] = await stack.control(name, "GET", "log")
    return sum(entry["status"] == 401 for entry in log)


@pytest.mark.parametrize("name", FIELDS)
async def test_a_read_goes_on_with_the_second_value_once_the_first_is_refused(rotated: Rotated, name: str) -> None:
    async with rotated(name, "test-new", "right") as stack:
        assert await read(stack, name) == 200
        assert await refusals(stack, name) == 1
        assert await read(stack, name) == 200
        assert await refusals(stack, name) == 1  # the one that works is kept
        assert await health(stack, name) == "ok"


@pytest.mark.parametrize("name", MARKS)
async def test_a_mark_goes_on_with_the_second_value_and_is_executed_once(rotated: Rotated, name: str) -> None:
    async with rotated(name, "test-new", "right") as stack:
        done(await stack.write("POST", f"/v1/payouts/{MARKS[name]}/complete", {"reference": "TXN-1"}))
        marks = [each for each in await stack.executed(name) if each["method"] != "GET" and "auth" not in each["path"]]
        assert len(marks) == 1
        assert await health(stack, name) == "ok"


async def test_a_create_that_was_refused_is_looked_up_before_it_is_sent_with_the_second_value(
    rotated: Rotated,
) -> None:
    async with rotated("bank", "test-new", "right") as stack:
        accepted = done(await stack.write("POST", "/v1/payouts", order()), 202, "accepted")
        log = await stack.control("bank", "GET", "log")
        assert [entry["operation"] for entry in log if entry["method"] == "POST"] == ["create_payout"]
        after = await later(stack, accepted["operation"]["id"])
        assert after["operation"]["state"] == "succeeded"
        log = await stack.control("bank", "GET", "log")
        answered = [entry["operation"] for entry in log if entry["status"] != 401]
        assert answered.index("list_payouts") < answered.index("create_payout")
        assert len(await stack.executed("bank", "create_payout")) == 1


@pytest.mark.parametrize("name", FIELDS)
async def test_two_wrong_values_hold_the_connection(rotated: Rotated, name: str) -> None:
    async with rotated(name, "test-new", "test-old") as stack:
        assert await read(stack, name) == 502
        assert await refusals(stack, name) == 2
        assert await health(stack, name) == "held"


@pytest.mark.parametrize("name", FIELDS)
async def test_a_file_that_changes_is_read_again_without_a_reload(rotated: Rotated, name: str, tmp_path: Path) -> None:
    async with rotated(name, "test-old") as stack:
        assert await read(stack, name) == 502
        _replaced(tmp_path / "secret_0", ACCOUNTS[name].credentials[FIELDS[name]])
        assert await read(stack, name) == 200
        assert await health(stack, name) == "ok"


def _replaced(path: Path, value: str) -> None:
    """As a secret manager does it: another file takes the name."""
    path.with_suffix(".next").write_text(value)
    path.with_suffix(".next").replace(path)


async def test_a_file_that_is_gone_for_a_moment_changes_nothing(rotated: Rotated, tmp_path: Path) -> None:
    async with rotated("promo", "right") as stack:
        (tmp_path / "secret_0").unlink()
        assert await read(stack, "promo") == 200


async def test_neither_value_shows_in_an_answer(rotated: Rotated) -> None:
    async with rotated("promo", "test-first-value", "test-second-value") as stack:
        said = {"error": "unknown key: test-first-value, not test-second-value"}
        await stack.fault("promo", "status", "*", status=401, body=said, times=None)
        answer = await stack.call.get("/v1/payouts?connection=promo")
        problem(answer, "provider_failed")
        shown = answer.text + (await stack.call.get("/v1/connections")).text
        assert "test-first-value" not in shown
        assert "test-second-value" not in shown
