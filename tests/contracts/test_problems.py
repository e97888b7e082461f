"""What an error body says is read where the oracle says, made safe to show, and never shows what it should not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from contracts.document import Document
from providers.sdk import Problem, RefusalKind
from tests.contracts.oracle import PROVIDERS, at, oracle_of, pointers
from tests.contracts.plugins import JSON, build, documented, login_call, plugin, reply

CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
CANARY = "test-canary-0123456789"


class Failure(NamedTuple):
    """One documented error body."""

    operation: str
    status: int
    media: str
    body: Any


def failures(document: Document) -> Iterator[Failure]:
    for operation in document.operations.values():
        for status, response in operation.responses.items():
            for media, content in response.content.items() if status != "200" else ():
                for body in content.examples.values():
                    yield Failure(operation.id, int(status), media, body)


def test_every_documented_error_is_read_where_the_oracle_says(provider: str) -> None:
    made, seen = plugin(provider), 0
    for failure in failures(documented(provider)):
        raw = failure.body.encode() if failure.media == "text/plain" else json.dumps(failure.body).encode()
        refusal = made.refusal(_call(provider, failure.operation), reply(raw, failure.status))
        assert refusal.problem == _expected(provider, failure.body), failure
        assert refusal.kind == oracle_of(provider).operations[failure.operation]["errors"][str(failure.status)]
        seen += 1
    assert seen >= 5


def _call(provider: str, operation: str) -> Any:
    if operation == "create_access_token":
        return login_call()
    capability = next(each for each, id in oracle_of(provider).unified() if id == operation)
    return build(plugin(provider), capability)


def _expected(provider: str, body: Any) -> Problem:
    rule = oracle_of(provider).raw["errors"]
    if isinstance(body, str):
        return Problem(message=body)
    codes = [at(body, pointer) for pointer in pointers(rule["code_at"])]
    messages = [at(body, pointer) for pointer in pointers(rule["message_at"]) if pointer]
    code = next((each for each in codes if isinstance(each, str) and CODE.fullmatch(each)), None)
    return Problem(code, next((each for each in messages if each), None))


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        ("0", 0),
        ("999999", 999999),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("\u0663", None),
        ("9" * 30, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_a_waiting_time_is_whole_seconds_or_nothing(provider: str, header: str, seconds: int | None) -> None:
    made = plugin(provider)
    refusal = made.refusal(build(made, "list_payouts"), reply(b"{}", 429, retry_after=header))
    assert refusal.retry_after == seconds


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


def test_an_unreadable_error_leaks_nothing_of_its_body(provider: str) -> None:
    made = plugin(provider)
    record = {"id": 1, "promoter": {"auth_token": CANARY}, "iban": CANARY, "error": {"detail": [CANARY]}}
    for body in (record, [record], {"error": [CANARY]}, {"error": 5, "token": CANARY}, {"data": record}):
        for raw in (json.dumps(body).encode(), b"\n " + json.dumps(body).encode(), json.dumps(body).encode()[:-1]):
            refusal = made.refusal(build(made, "list_payouts"), reply(raw, 500))
            assert CANARY not in repr(refusal)
            assert refusal.kind is RefusalKind.UNCLEAR


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


def test_media_types_of_errors_are_the_ones_we_can_read(document: Document) -> None:
    assert {failure.media for failure in failures(document)} <= {JSON, "text/plain"}
