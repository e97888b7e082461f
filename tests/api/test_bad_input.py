"""What bad input gets: a problem of the closed list, a pointer to each fault, and nothing sent or journaled.

All tests here share one gateway, and `quiet_stack` proves at the end that no operation exists and no provider saw
a write.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import nothing_happened, problem
from tests.conftest import TEST_KEY, Stack, order

pytestmark = pytest.mark.anyio

PAYEE = order()["payee"]
IBAN = {"name": "Test Supplier", "iban": "GB29NWBK60161331926819"}
JSON = "application/json"


def raw(body: Any) -> bytes:
    return json.dumps(body).encode()


def money(minor_units: Any, currency: Any = "GBP") -> dict[str, Any]:
    return order(amount={"currency": currency, "minor_units": minor_units})


def payee(**changes: Any) -> dict[str, Any]:
    return order(payee={name: value for name, value in (PAYEE | changes).items() if value is not None})


@pytest.mark.parametrize("verdict", ["maybe", 'a" is not one of "b', "b\\"])
async def test_what_is_wrong_with_a_value_is_said_in_full_and_without_it(quiet_stack: Stack, verdict: str) -> None:
    body = raw({"verdict": verdict, "note": "x"})
    (fault,) = problem(await post(quiet_stack, body, "/v1/operations/op_1/close"), "invalid_body", "/verdict")["errors"]
    assert fault["message"] == 'the value is not one of "executed" or "not_executed"'


UNREADABLE = {
    "nothing": b"",
    "half": b'{"reference": ',
    "no JSON": b"reference=invoice-1",
    "a tail": raw(order()) + b"}",
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"reference":' * 50_000 + b"1" + b"}" * 50_000,
    "invalid UTF-8": raw(order()).replace(b"Supplier", b"Suppl\xffer"),
    "UTF-16": json.dumps(order()).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + raw(order()),
    "half a surrogate pair": raw(order()).replace(b"Supplier", rb"Suppl\ud800er"),
    "NaN": raw(order()).replace(b"1023", b"NaN"),
    "infinity": raw(order()).replace(b"1023", b"-Infinity"),
    "a number of 5,000 digits": raw(order()).replace(b"1023", b"9" * 5_000),
    "a key twice": raw(order()).replace(b'{"reference"', b'{"reference": "invoice-2", "reference"', 1),
    "a key twice, further in": raw(order()).replace(b'"minor_units"', b'"minor_units": 1, "minor_units"', 1),
    "a key twice, once escaped": raw(order()).replace(b'"minor_units"', rb'"minor\u005funits": 1, "minor_units"', 1),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_unreadable_body_is_malformed(quiet_stack: Stack, body: bytes) -> None:
    problem(await post(quiet_stack, body), "malformed_body")


async def post(stack: Stack, body: bytes, path: str = "/v1/payouts", media: str = JSON) -> httpx.Response:
    headers = {"Idempotency-Key": "bad-1", "Content-Type": media}
    return await stack.call.post(path, content=body, headers=headers)


WRONG: dict[str, tuple[Any, tuple[str, ...]]] = {
    "an array": ([], ("",)),
    "null": (None, ("",)),
    "an unknown field": (order(note="x"), ("/note",)),
    "an unknown field with a slash": (order(**{"a/b~c": 1}), ("/a~1b~0c",)),
    "an unknown field further in": (payee(email="a@example.test"), ("/payee/email",)),
    "several faults": (order(note="x", description=""), ("/description", "/note")),
    "no reference": ({key: value for key, value in order().items() if key != "reference"}, ("/reference",)),
    "nothing at all": ({}, ("/amount", "/description", "/payee", "/reference")),
    "a reference of null": (order(reference=None), ("/reference",)),
    "an empty reference": (order(reference=""), ("/reference",)),
    "a long reference": (order(reference="x" * 256), ("/reference",)),
    "a control in the reference": (order(reference="a\x00b"), ("/reference",)),
    "a line break after the reference": (order(reference="invoice-1\n"), ("/reference",)),
    "a float": (money(10.5), ("/amount/minor_units",)),
    "a whole float": (money(1023.0), ("/amount/minor_units",)),
    "a text": (money("1023"), ("/amount/minor_units",)),
    "a boolean": (money(True), ("/amount/minor_units",)),
    "a negative amount": (money(-1), ("/amount/minor_units",)),
    "zero": (money(0), ("/amount/minor_units",)),
    "more than 10^15": (money(10**15 + 1), ("/amount/minor_units",)),
    "more than 64 bits": (money(2**70), ("/amount/minor_units",)),
    "major units": (order(amount={"currency": "GBP", "value": "10.23"}), ("/amount/minor_units", "/amount/value")),
    "an unknown currency": (money(1, "XXX"), ("/amount/currency",)),
    "a fund of no exponent": (money(1, "XAU"), ("/amount/currency",)),
    "a small currency": (money(1, "gbp"), ("/amount/currency",)),
    "a currency with a line break": (money(1, "GBP\n"), ("/amount/currency",)),
    "both account forms": (payee(iban=IBAN["iban"]), ("/payee",)),
    "no account form": (payee(account_number=None, sort_code=None), ("/payee",)),
    "a sort code alone": (payee(account_number=None), ("/payee",)),
    "an IBAN and half a local form": (order(payee=IBAN | {"sort_code": "601613"}), ("/payee",)),
    "wrong check digits": (order(payee=IBAN | {"iban": "GB28NWBK60161331926819"}), ("/payee/iban",)),
    "an IBAN with a line break": (order(payee=IBAN | {"iban": IBAN["iban"] + "\n"}), ("/payee/iban",)),
    "an IBAN with spaces": (order(payee=IBAN | {"iban": "GB29 NWBK 6016 1331 9268 19"}), ("/payee/iban",)),
    "an account with a line break": (payee(account_number="31926819\n"), ("/payee/account_number",)),
    "Arabic digits": (payee(sort_code="٦٠١٦١٣"), ("/payee/sort_code",)),
    "a wrong BIC": (order(payee=IBAN | {"bic": "TEST"}), ("/payee/bic",)),
}


@pytest.mark.parametrize(("body", "pointers"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_field_is_pointed_at(quiet_stack: Stack, body: Any, pointers: tuple[str, ...]) -> None:
    answer = await post(quiet_stack, raw(body))
    named = [fault["pointer"] for fault in answer.json().get("errors", ())]
    problem(answer, "invalid_body", *named)
    assert sorted(set(named)) == sorted(pointers)
    for secret in ("31926819", IBAN["iban"], "GB28NWBK60161331926819"):
        assert secret not in answer.text


async def test_a_million_faults_get_a_short_answer(quiet_stack: Stack) -> None:
    answer = await post(quiet_stack, raw({f"field{number}": 1 for number in range(20_000)}))
    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == 100


CARRIED_BY_NONE = {
    "EUR without a verification": (order(amount={"currency": "EUR", "minor_units": 1}), "/payee/verification_id"),
    "a short description": (order(description="x"), "/description"),
    "a description of one letter": (order(description="aaaaaaa"), "/description"),
    "a description with a bracket": (order(description="Invoice (1)"), "/description"),
    "a long description for a sort code": (order(description="Invoice 2026 000001"), "/description"),
}


@pytest.mark.parametrize(("body", "pointer"), CARRIED_BY_NONE.values(), ids=CARRIED_BY_NONE.keys())
async def test_what_the_provider_cannot_carry_is_refused_by_name(quiet_stack: Stack, body: Any, pointer: str) -> None:
    problem(await post(quiet_stack, raw(body)), "field_refused", pointer)


@pytest.mark.parametrize(
    ("path", "body", "kind", "pointers"),
    [
        ("payouts/aff:po_test_0002/complete", {}, "field_refused", ["/reference"]),
        ("payouts/sway:42/complete", {"reference": 1}, "invalid_body", ["/reference"]),
        ("payouts/sway:42/complete", {"amount": 1}, "invalid_body", ["/amount"]),
        ("payouts/sway:42/complete", [], "invalid_body", [""]),
        ("payouts/bulk/process", {"ids": []}, "invalid_body", ["/ids"]),
        ("payouts/bulk/process", {"ids": ["sway:42", 43]}, "invalid_body", ["/ids/1"]),
        ("payouts/bulk/process", {"ids": ["sway:42", "sway:43", "sway:42"]}, "invalid_body", ["/ids/2"]),
        ("payouts/bulk/complete", {"ids": ["sway:42"], "reason": "x"}, "invalid_body", ["/reason"]),
        ("payout-requests/sway:10/reject", {"reason": "a\tb"}, "invalid_body", ["/reason"]),
    ],
)
async def test_marks_are_read_as_strictly(
    quiet_stack: Stack, path: str, body: Any, kind: str, pointers: list[str]
) -> None:
    problem(await post(quiet_stack, raw(body), f"/v1/{path}"), kind, *pointers)


SETTINGS = {
    "frequency": "monthly",
    "day": 1,
    "minimum": {"currency": "USD", "minor_units": 5000},
    "allow_early_requests": True,
    "auto_create": True,
}


@pytest.mark.parametrize(
    ("changes", "kind", "pointer"),
    [
        ({"day": 0}, "field_refused", "/day"),
        ({"day": 32}, "field_refused", "/day"),
        ({"day": "1"}, "invalid_body", "/day"),
        ({"day": 1.5}, "invalid_body", "/day"),
        ({"minimum": {"currency": "EUR", "minor_units": 1}}, "field_refused", "/minimum/currency"),
        ({"minimum": {"currency": "USD", "minor_units": -1}}, "invalid_body", "/minimum/minor_units"),
        ({"minimum": {"currency": "USD", "minor_units": 10**16}}, "invalid_body", "/minimum/minor_units"),
        ({"minimum": 50}, "invalid_body", "/minimum"),
        ({"allow_early_requests": "yes"}, "invalid_body", "/allow_early_requests"),
        ({"auto_create": None}, "invalid_body", "/auto_create"),
        ({"limit": 1}, "invalid_body", "/limit"),
    ],
)
async def test_settings_are_read_as_strictly(
    quiet_stack: Stack, changes: dict[str, Any], kind: str, pointer: str
) -> None:
    path = "/v1/connections/sway/settings"
    answer = await quiet_stack.write("PUT", path, SETTINGS | changes)
    problem(answer, kind, pointer)


@pytest.mark.parametrize(
    "media", ["", "text/plain", "application/xml", "application/problem+json", "multipart/form-data; boundary=x"]
)
async def test_another_content_type_is_415(quiet_stack: Stack, media: str) -> None:
    for path in ("/v1/payouts", "/v1/payouts/sway:42/complete", "/v1/payouts/bulk/process"):
        problem(await post(quiet_stack, raw(order()), path, media), "unsupported_media_type")


async def test_no_content_type_is_415(quiet_stack: Stack) -> None:
    answer = await quiet_stack.call.post("/v1/payouts", content=raw(order()), headers={"Idempotency-Key": "bad-1"})
    problem(answer, "unsupported_media_type")


async def test_a_body_over_the_limit_is_413(quiet_stack: Stack) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1_025):
            yield b" " * 1_024

    headers = {"Idempotency-Key": "bad-1", "Content-Type": JSON}
    for body in (b" " * 1_048_577, chunks()):
        problem(await quiet_stack.call.post("/v1/payouts", content=body, headers=headers), "body_too_large")


class Gone(Exception):
    """The caller leaves."""


async def test_a_length_with_zeros_in_front_is_read(quiet_stack: Stack) -> None:
    url = httpx.URL(quiet_stack.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = "POST /v1/payouts HTTP/1.1\r\nHost: test\r\nIdempotency-Key: bad-1\r\nConnection: close\r\n"
    head += f"Authorization: Bearer {TEST_KEY}\r\nContent-Type: {JSON}\r\nContent-Length: {'0' * 5_000}1\r\n\r\n"
    writer.write(head.encode() + b"[")
    assert b":malformed_body" in await reader.read()
    writer.close()


async def test_a_body_whose_end_never_comes_is_none(quiet_stack: Stack) -> None:
    uses = quiet_stack.service.current.uses

    async def all_but_the_end() -> AsyncIterator[bytes]:
        yield raw(order())
        while not uses.count:
            await asyncio.sleep(0.001)
        raise Gone

    headers = {"Idempotency-Key": "bad-1", "Content-Type": JSON}
    with pytest.raises(Gone):
        await quiet_stack.call.post("/v1/payouts", content=all_but_the_end(), headers=headers)
    await uses.ended()
    await nothing_happened(quiet_stack)


KEYS: dict[str, list[bytes]] = {
    "missing": [],
    "doubled": [b"key-1", b"key-1"],
    "empty": [b""],
    "129 characters": [b"x" * 129],
    "a space": [b"key 1"],
    "not ASCII": ["schlüssel".encode()],
    "a tab": [b"key\t1"],
}


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS.keys())
async def test_a_wrong_idempotency_key_is_refused(quiet_stack: Stack, keys: list[bytes]) -> None:
    writes = [("POST", "/v1/payouts", order()), ("POST", "/v1/payouts/sway:42/complete", {})]
    writes += [("POST", "/v1/payouts/bulk/process", {"ids": ["sway:42"]})]
    writes += [("PUT", "/v1/connections/sway/settings", SETTINGS), ("POST", "/v1/payout-requests/sway:10/reject", {})]
    for method, path, body in writes:
        headers = [(b"Idempotency-Key", key) for key in keys]
        problem(await quiet_stack.call.request(method, path, json=body, headers=headers), "idempotency_key_invalid")


async def test_unknown_connections_and_calls_that_are_not_offered(quiet_stack: Stack) -> None:
    body = problem(await post(quiet_stack, raw(order(connection="nowhere"))), "unknown_connection")
    assert "nowhere" in body["detail"]
    body = problem(await post(quiet_stack, raw(order(connection="aff"))), "not_offered")
    assert body["detail"] == "aff does not offer create; it offers approve, complete, get, list_payouts"
    for path in ("payouts/bank:po:test0001:sim/complete", "payouts/promo:2710287/fail"):
        assert "it offers" in problem(await post(quiet_stack, b"{}", f"/v1/{path}"), "not_offered")["detail"]


@pytest.mark.parametrize(
    "credentials",
    [
        [],
        ["Bearer test-key-of-nobody"],
        [TEST_KEY],
        ["Bearer"],
        [f"Basic {TEST_KEY}"],
        [f"Bearer {TEST_KEY}", f"Bearer {TEST_KEY}"],
        [f"Bearer {TEST_KEY}", "Basic eDp5"],
        [f"Bearer {TEST_KEY}, Bearer {TEST_KEY}"],
    ],
)
async def test_without_one_known_key_it_is_401(quiet_stack: Stack, credentials: list[str]) -> None:
    async with httpx.AsyncClient(base_url=quiet_stack.url, trust_env=False) as stranger:
        headers = [("Authorization", value) for value in credentials] + [("Idempotency-Key", "bad-1")]
        for method, path in (("GET", "/v1/connections"), ("POST", "/v1/payouts")):
            answer = await stranger.request(method, path, headers=headers)
            problem(answer, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_last_line_nothing_was_sent_or_journaled(quiet_stack: Stack) -> None:
    await nothing_happened(quiet_stack)


async def test_a_fault_inside_an_optional_object_is_named_where_it_stands(stack: Stack) -> None:
    answer = await stack.call.post("/v1/routes/explain", json={"payout": {"reference": "invoice-1"}})
    problem(answer, "invalid_body", "/payout/amount", "/payout/payee", "/payout/description")
