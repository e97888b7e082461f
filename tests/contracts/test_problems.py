"""What an error body says is read where the oracle says, made safe to show, and never shows what it should not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers.sdk import Mismatch, Money, Problem, RefusalKind
from tests.contracts.plugins import ORDER, build, login_call, plugin, reply

CANARY = "test-canary-0123456789"


def test_a_message_is_one_short_line_of_printable_ascii() -> None:
    hostile = "a\r\nX-Injected: 1\x00\x1b\u202eb" + "é" * 3 + "x" * 1000
    bodies: dict[str, Any] = {
        "firstpromoter": {"error": hostile},
        "heldsway": {"success": False, "error": {"code": "NOT_FOUND", "message": hostile}},
        "ledger": {"error": "not_found", "message": hostile},
        "tokenio": {"error": {"errorCode": "NOT_FOUND", "message": hostile}},
    }
    for provider, body in bodies.items():
        made = plugin(provider)
        problem = made.refusal(build(made, "list_payouts"), reply(body, 400)).problem
        assert problem.message == "a X-Injected: 1 b " + "x" * 182
        assert problem.code in (None, "NOT_FOUND", "not_found")


def test_a_code_that_is_no_word_is_dropped() -> None:
    for code in ("has space", "x" * 65, "1st", "", "é", "a\n", "<b>"):
        refusal = plugin("heldsway").refusal(login_call(), reply({"error": {"code": code, "message": "m"}}, 401))
        assert refusal.problem == Problem(None, "m")


def test_a_message_ends_where_something_structured_begins(provider: str) -> None:
    made = plugin(provider)
    for quoted in (f'{{"auth_token": "{CANARY}"}}', f'["{CANARY}"]', f"<token>{CANARY}</token>"):
        bodies: list[Any] = [f"No: {quoted}".encode(), {"error": f"No: {quoted}"}]
        bodies += [{"error": "e", "message": f"No: {quoted}"}, {"error": {"code": "E", "message": f"No: {quoted}"}}]
        shown = [made.refusal(build(made, "list_payouts"), reply(body, 400)).problem.message for body in bodies]
        assert set(shown) - {None, "e"} == {"No:"}


def test_an_html_page_is_no_message(provider: str) -> None:
    made = plugin(provider)
    refusal = made.refusal(build(made, "list_payouts"), reply(b"<html><body>Bad gateway</body></html>", 502))
    assert refusal.problem == Problem()


def test_both_spellings_of_bad_credentials_are_read() -> None:
    made = plugin("firstpromoter")
    for body in (b"Bad credentials", b'"Bad credentials"', b" Bad credentials\n"):
        refusal = made.refusal(build(made, "complete"), reply(body, 401))
        assert (refusal.kind, refusal.problem.message) == (RefusalKind.CREDENTIALS, "Bad credentials")


def test_a_json_string_is_the_same_message_as_the_bare_text() -> None:
    for provider in ("firstpromoter", "tokenio"):
        made = plugin(provider)
        for body in (b"Slow down", b'"Slow down"'):
            refusal = made.refusal(build(made, "list_payouts"), reply(body, 429))
            assert (refusal.kind, refusal.problem) == (RefusalKind.RATE_LIMITED, Problem(message="Slow down"))


def test_both_envelopes_of_the_ledger_are_read() -> None:
    made = plugin("ledger")
    for body in ({"error": "not_found", "message": "m"}, {"error": "not_found", "error_description": "m"}):
        assert made.refusal(build(made, "get"), reply(body, 404)).problem == Problem("not_found", "m")


def test_a_mismatch_names_fields_and_no_values() -> None:
    amount = {"value": "10.23", "currency": "GBP"}
    times = {"createdDateTime": "2026-04-15T10:43:07Z", "updatedDateTime": "2026-04-15T10:43:07Z"}
    shown = {"id": "po:Test1:Sim1", "status": "INITIATION_PENDING", **times}
    body = {"payout": {**shown, "initiation": {"refId": "test-secret-ref", "amount": amount}}}
    order = msgspec.structs.replace(ORDER, amount=Money("USD", 7))
    with pytest.raises(Mismatch) as wrong:
        plugin("tokenio").create(order).reads(reply(body))
    assert str(wrong.value) == "the reply contradicts the request in: reference, amount"
