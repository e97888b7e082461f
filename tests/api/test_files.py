"""Files pass through as they come, or not at all."""

from __future__ import annotations

import httpx
import pytest

from tests.api.conftest import fresh, problem
from tests.conftest import Stack

pytestmark = pytest.mark.anyio

FILES = {
    "export_payouts": ("/v1/payouts/export", "/v1/connections/sway/native/v1/payouts/export"),
    "get_payout_statement": ("/v1/payouts/sway:42/statement", "/v1/connections/sway/native/v1/payouts/42/statement"),
}
PATHS = [(operation, path) for operation, paths in FILES.items() for path in paths]


@pytest.mark.parametrize("fault", ["html", "gzip", "junk", "empty", "content_type", "reset", "close", "hang"])
@pytest.mark.parametrize(("operation", "path"), PATHS)
async def test_what_is_no_such_file_is_not_passed_on(hasty_stack: Stack, operation: str, path: str, fault: str) -> None:
    await fresh(hasty_stack, "sway")
    await hasty_stack.fault("sway", fault, operation, times=None)
    body = problem(await hasty_stack.call.get(path), "provider_failed")
    assert body["detail"].startswith("sway: ")


@pytest.mark.parametrize(("operation", "path"), PATHS)
async def test_an_error_body_is_read_within_bounds(hasty_stack: Stack, operation: str, path: str) -> None:
    await fresh(hasty_stack, "sway")
    for more in ({"headers": {"Content-Encoding": "gzip"}}, {"body": "x" * 2_000_000}, {"body": "plain"}):
        await hasty_stack.fault("sway", "status", operation, status=500, **more)
        problem(await hasty_stack.call.get(path), "provider_failed")


@pytest.mark.parametrize(("operation", "path"), PATHS)
async def test_a_file_that_ends_too_early_does_not_look_complete(hasty_stack: Stack, operation: str, path: str) -> None:
    await fresh(hasty_stack, "sway")
    await hasty_stack.fault("sway", "truncate", operation)
    with pytest.raises(httpx.RemoteProtocolError):
        await hasty_stack.call.get(path)


@pytest.mark.parametrize(("operation", "path"), PATHS)
async def test_a_revoked_token_is_minted_again_for_a_file(hasty_stack: Stack, operation: str, path: str) -> None:
    await fresh(hasty_stack, "sway")
    await hasty_stack.control("sway", "POST", "revoke")
    assert (await hasty_stack.call.get(path)).status_code == 200


async def test_a_file_without_credentials_holds_the_connection(stack: Stack) -> None:
    await stack.fault("sway", "unauthorized", "export_payouts", times=None)
    problem(await stack.call.get("/v1/payouts/export"), "provider_failed")
    assert (await stack.call.get("/health/ready")).json()["connections"]["sway"] == "held"
    await stack.control("sway", "DELETE", "faults")
    assert (await stack.call.get("/v1/payouts/export")).status_code == 200
    assert (await stack.call.get("/health/ready")).json()["connections"]["sway"] == "ok"


async def test_a_statement_of_nobody_is_404(stack: Stack) -> None:
    problem(await stack.call.get("/v1/payouts/sway:9999/statement"), "payout_not_found")
    problem(await stack.call.get("/v1/payouts/aff:po_test_0001/statement"), "not_offered")
