"""Deny by default: every route, every scope, every sort of key. Routes are read from their declarations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.api.app import HANDLERS
from gateway.api.endpoint import Endpoint, declared
from gateway.api.problems import PREFIX
from gateway.keys import SCOPES, hashed
from tests.api.conftest import config_of, done, problem, sent_writes
from tests.conftest import Stack, four_simulators, stack_of

pytestmark = pytest.mark.anyio

GUARDED = [item for item in map(declared, HANDLERS) if item.scope is not None]
# What makes another key of the same scope than a plain one.
SORTS: dict[str, dict[str, Any]] = {
    "own": {},
    "expired": {"expires": "2026-01-01"},
    "foreign": {"tenant": "other"},
    "bound": {"connections": ["aff"]},
}
# Where a route looks at the body before it looks whose the id is.
BODIES: dict[str, Any] = {
    "/v1/operations/{id}/approve": {"fingerprint": "0" * 64},
    "/v1/operations/{id}/close": {"verdict": "executed", "note": "test"},
    "/v1/connections/{name}/settings": {
        "frequency": "monthly",
        "day": 1,
        "minimum": {"currency": "USD", "minor_units": 0},
        "allow_early_requests": False,
        "auto_create": False,
    },
}


@dataclass
class Matrix:
    """One gateway with a key for each scope and sort, and one operation of the tenant `default` on `sway`."""

    stack: Stack
    client: httpx.AsyncClient
    operation: str

    async def call(self, item: Endpoint, key: str | None, idempotency: bool = False) -> httpx.Response:
        id = self.operation if item.path.startswith("/v1/operations") else "sway:42"
        path = item.path.format(id=id, name="sway", path="v1/payouts")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if idempotency:
            headers["Idempotency-Key"] = "key-of-the-matrix"
        return await self.client.request(item.method, path, json=BODIES.get(item.path), headers=headers)


@pytest.fixture(scope="module")
async def matrix(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Matrix]:
    async with four_simulators() as simulators:
        raw = config_of(simulators, tmp_path_factory.mktemp("journal"))
        raw["api_keys"] += [
            {"name": f"{sort} {scope}", "sha256": hashed(f"test-{sort}-{scope}"), "scopes": [scope], **more}
            for sort, more in SORTS.items()
            for scope in SCOPES
        ]
        async with stack_of(raw, simulators) as stack, httpx.AsyncClient(base_url=stack.url, trust_env=False) as client:
            own = done(await stack.write("POST", "/v1/payouts/sway:43/complete", {}))["operation"]["id"]
            yield Matrix(stack, client, own)
            assert await sent_writes(stack, "sway") == ["complete_payout"]


def label(item: Endpoint) -> str:
    return f"{item.method} {item.path}"


def hidden(item: Endpoint, sort: str) -> str | None:
    """What a key of the right scope is told of what is not its own; None: nothing here is hidden from it."""
    if "/operations/{id}" in item.path and sort in ("foreign", "bound"):
        return "not_found"
    if sort == "bound" and ("{id}" in item.path or "{name}" in item.path):
        return "unknown_connection"
    return None


@pytest.mark.parametrize("item", GUARDED, ids=label)
async def test_without_a_key_that_works_nobody_enters(matrix: Matrix, item: Endpoint) -> None:
    nothing = await matrix.call(item, None)
    problem(nothing, "unauthenticated")
    for key in ("test-nobody", *(f"test-expired-{scope}" for scope in SCOPES)):
        answer = await matrix.call(item, key, idempotency=True)
        assert (answer.status_code, answer.content) == (401, nothing.content)


@pytest.mark.parametrize("sort", ["own", "foreign", "bound"])
@pytest.mark.parametrize("item", GUARDED, ids=label)
async def test_a_key_without_the_scope_is_refused(matrix: Matrix, item: Endpoint, sort: str) -> None:
    for scope in SCOPES:
        if scope != item.scope:
            body = problem(await matrix.call(item, f"test-{sort}-{scope}", idempotency=True), "missing_scope")
            assert body["detail"] == f"this call needs {item.scope}; {sort} {scope} has {scope}"


@pytest.mark.parametrize("sort", ["own", "foreign", "bound"])
@pytest.mark.parametrize("item", GUARDED, ids=label)
async def test_a_key_with_the_scope_enters_and_sees_what_is_its_own(matrix: Matrix, item: Endpoint, sort: str) -> None:
    kind = hidden(item, sort)
    # A write that would go through is stopped at the next check: it names no Idempotency-Key.
    answer = await matrix.call(item, f"test-{sort}-{item.scope}", idempotency=kind is not None)
    if kind is not None:
        problem(answer, kind)
    else:
        assert answer.status_code not in (401, 403), answer.text
        assert not answer.text.startswith(f'{{"type":"{PREFIX}unknown_connection')


def test_the_matrix_has_every_scope_that_a_route_asks_for() -> None:
    assert {item.scope for item in GUARDED} == set(SCOPES)
