"""Whose limits a write is up to, which accounts are one payee, and which policy asks for approval."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.config import ApprovalPolicy
from gateway.engine.approving import approval_of
from gateway.engine.limiting import payee_digest
from gateway.operation import Approval, Operation
from providers.sdk import PayeeAccount
from tests.store.records import operation

LOCAL = PayeeAccount(name="Test Supplier", account_number="31926819", sort_code="601613")
SAME = [
    PayeeAccount(name="Test Supplier", iban="GB29NWBK60161331926819"),
    PayeeAccount(name="Another Name", account_number="31926819", sort_code="601613", bic="NWBKGB2L"),
    PayeeAccount(name="Test Supplier", account_number="31926819", sort_code="601613", verification_id="v"),
]
OTHERS = [
    PayeeAccount(name="Test Supplier", account_number="31926819", sort_code="601614"),
    PayeeAccount(name="Test Supplier", account_number="31926818", sort_code="601613"),
    PayeeAccount(name="Test Supplier", iban="GB29NWBK60161531926819"),
    PayeeAccount(name="Test Supplier", iban="DE89370400440532013000"),
    PayeeAccount(name="Test Supplier", account_number="60161331926819"),
]


@pytest.mark.parametrize("account", SAME)
def test_one_account_is_one_payee_however_it_is_written(account: PayeeAccount) -> None:
    assert payee_digest(account) == payee_digest(LOCAL)


def test_other_accounts_are_other_payees_and_no_digest_shows_one() -> None:
    digests = {payee_digest(account) for account in (LOCAL, *OTHERS)}
    assert len(digests) == len(OTHERS) + 1
    assert all(len(digest) == 64 and "31926819" not in digest for digest in digests)


def asked(*policies: dict[str, Any], **changes: Any) -> Approval | None:
    read = msgspec.convert([{"name": "policy", "approvers": 1} | policy for policy in policies], list[ApprovalPolicy])
    return approval_of(read, wanted(**changes))


def wanted(**changes: Any) -> Operation:
    return operation(minor_units=1001, created_at=5_000, **changes)


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"operation": ["create", "complete"]},
        {"currency": ["GBP"], "above": 1000},
        {"connection": ["bank"], "tenant": ["default"]},
    ],
)
def test_a_policy_asks_for_what_it_matches_in_everything(when: dict[str, Any]) -> None:
    found = asked({"when": when, "expires_after": 60})
    assert found == Approval(policy="policy", approvers=1, expires_at=65_000)


@pytest.mark.parametrize(
    "when",
    [
        {"operation": ["complete"]},
        {"currency": ["EUR"]},
        {"currency": ["GBP"], "above": 1001},
        {"connection": ["other"]},
        {"connection": ["bank"], "tenant": ["other"]},
    ],
)
def test_a_policy_that_differs_in_one_thing_asks_for_nothing(when: dict[str, Any]) -> None:
    assert asked({"when": when}) is None


def test_a_threshold_asks_nothing_of_what_has_no_amount() -> None:
    when = {"currency": ["GBP"], "above": 0}
    assert approval_of([ApprovalPolicy(name="p", approvers=1)], operation(minor_units=None, currency=None)) is not None
    assert asked({"when": when}, currency=None) is None


def test_most_approvers_win_and_then_the_shorter_time() -> None:
    policies = [
        {"name": "one", "expires_after": 60},
        {"name": "late", "approvers": 2, "expires_after": 7200},
        {"name": "soon", "approvers": 2, "expires_after": 3600},
    ]
    for order in (policies, policies[::-1]):
        found = asked(*order)
        assert found is not None
        assert found.policy == "soon"
