"""schemathesis against the running gateway: what the document promises is what the gateway does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import positive_data_acceptance

from gateway.api.app import document
from tests.api.conftest import config_of
from tests.conftest import TEST_KEY, four_simulators, stack_of

Case = Any  # schemathesis's own is generic over things that do not matter here
EXAMPLES = 25
SCHEMA = schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway over four simulators in an event loop of its own: schemathesis calls without one."""
    folder = tmp_path_factory.mktemp("journal")
    found: list[str] = []
    started, done = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with four_simulators() as simulators, stack_of(config_of(simulators, folder), simulators) as stack:
            found.append(stack.url)
            started.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(20)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_document_is_kept(case: Case, gateway: str) -> None:
    response = case.call(base_url=gateway, headers=_credentials(case))
    case.validate_response(response, excluded_checks=_not_meant(response))


def _credentials(case: Case) -> dict[str, str]:
    """The right ones, unless the case is about wrong ones: putting them right would undo it."""
    changed = repr(getattr(case.meta.phase.data, "mutations", ())) if case.meta else ""
    return {} if "Authorization" in changed else {"Authorization": f"Bearer {TEST_KEY}"}


# What no schema says: the codes of ISO 4217, check digits, one account form of two, cursors that were given; of a dry
# run, that a create has a payout and a mark an id.
FLOAT = "Expected `int`, got `float`"  # 10.0 is an integer to JSON Schema, and no amount of money to us
OF_ORDERS = {"/amount/currency", "/payee", "/payee/iban"}
BEYOND_SCHEMAS = {*OF_ORDERS, *(f"/payout{pointer}" for pointer in OF_ORDERS), "cursor", "/payout", "/id"}


def _not_meant(response: Any) -> list[CheckFunction]:
    """Answers of which we know exactly why `positive_data_acceptance` cannot judge them."""
    if response.status_code == 422:  # which routes there are, and what one connection's provider can carry
        return [positive_data_acceptance]
    faults = response.json().get("errors", ()) if response.status_code == 400 else ()
    if faults and all(fault["pointer"] in BEYOND_SCHEMAS or fault["message"] == FLOAT for fault in faults):
        return [positive_data_acceptance]
    return []
