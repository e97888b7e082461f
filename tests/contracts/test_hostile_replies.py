"""A reply that is not what the contract documents is refused by name: no other error, and never a result."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.sdk import Malformed, ProviderError, RefusalKind
from tests.contracts.oracle import PROVIDERS, load_json
from tests.contracts.plugins import asking, build, documented, examples, login_call, plugin, reply
from tests.contracts.readings import UNREAD, expected, in_words
from tests.contracts.variants import wire_faults

# One documented success of each operation that a plugin reads, the longest of them.
READ = {
    (provider, example.operation): max(
        (each for each in examples(documented(provider)) if each.operation == example.operation),
        key=lambda each: len(str(each.body)),
    )
    for provider in PROVIDERS
    for example in examples(documented(provider))
    if example.operation not in UNREAD
}
FILES = [("heldsway", "export"), ("heldsway", "statement")]
CANARY = "test-canary-0123456789"


@pytest.mark.parametrize(("provider", "operation"), READ)
def test_what_is_no_documented_answer_is_malformed(provider: str, operation: str) -> None:
    example = READ[provider, operation]
    for each in asking(plugin(provider), operation, example.body):
        for name, body in wire_faults(json.dumps(example.body).encode()).items():
            with pytest.raises(Malformed):
                _must_not_read(each.call.reads(reply(body)), name)


def _must_not_read(result: Any, name: str) -> None:
    raise AssertionError(f"{name} was read as {result}")


@pytest.mark.parametrize(("provider", "operation"), READ)
def test_bad_bytes_inside_a_text_are_malformed_or_ignored(provider: str, operation: str) -> None:
    example = READ[provider, operation]
    good = json.dumps(example.body).encode()
    texts = sorted({text for text in _texts(example.body) if text})
    for each in asking(plugin(provider), operation, example.body):
        for text in texts:
            spoilt = good.replace(json.dumps(text).encode(), b'"\xff\xfe' + text[2:].encode() + b'"')
            assert spoilt != good
            _reads_or_refuses(each.call, spoilt)


@pytest.mark.parametrize(("provider", "operation"), READ)
def test_a_truncated_answer_is_malformed_wherever_it_is_cut(provider: str, operation: str) -> None:
    example = READ[provider, operation]
    good = json.dumps(example.body).encode()
    for each in asking(plugin(provider), operation, example.body):
        for cut in range(len(good)):
            with pytest.raises(Malformed):
                _must_not_read(each.call.reads(reply(good[:cut])), f"cut at {cut}")


@pytest.mark.parametrize(("provider", "operation"), READ)
def test_numbers_without_end_are_malformed_or_ignored(provider: str, operation: str) -> None:
    example = READ[provider, operation]
    good = json.dumps(example.body)
    for each in asking(plugin(provider), operation, example.body):
        for number in sorted({number for number in _numbers(example.body) if number > 1}):
            for spelt in ("9" * 5000, "1e999999999", "-" + "9" * 5000, "1" + "." + "0" * 5000):
                _reads_or_refuses(each.call, good.replace(f": {number}", f": {spelt}").encode())


@pytest.mark.parametrize(("provider", "operation"), READ)
def test_of_a_key_that_stands_twice_the_last_counts_or_the_answer_is_refused(provider: str, operation: str) -> None:
    made, example = plugin(provider), READ[provider, operation]
    good = json.dumps(example.body)
    for each in asking(made, operation, example.body):
        for key in ("id", "status", "amount", "value", "payout", "data", "access_token", "payout_day"):
            doubled = good.replace(f'"{key}": ', f'"{key}": {{"test": 1}}, "{key}": ').encode()
            try:
                result = in_words(each.call.reads(reply(doubled)))
            except ProviderError:
                continue
            assert result == expected(made, each.call, load_json(doubled))


@pytest.mark.parametrize(("provider", "operation"), READ)
def test_a_refused_answer_never_shows_what_it_holds(provider: str, operation: str) -> None:
    example = READ[provider, operation]
    good = json.dumps(example.body)
    for each in asking(plugin(provider), operation, example.body):
        for text in sorted({text for text in _texts(example.body) if text}):
            for wrong in (f'["{CANARY}"]', f'{{"{CANARY}": "{CANARY}"}}', f'"{CANARY}'):
                spoilt = good.replace(json.dumps(text), wrong).encode()
                assert CANARY not in _reads_or_refuses(each.call, spoilt)


@pytest.mark.parametrize(("provider", "capability"), FILES)
def test_a_file_is_never_read_by_the_plugin(provider: str, capability: str) -> None:
    call = build(plugin(provider), capability)
    for body in (b"", b"%PDF-1.7", b"\xff" * 100, b"[" * 200_000):
        assert call.reads(reply(body)) is None


def test_what_a_mark_of_heldsway_answers_proves_nothing() -> None:
    for capability, (_, operation) in plugin("heldsway").offers().items():
        if operation in UNREAD:
            for body in (*wire_faults(b'{"data": {}}').values(), b'{"data":{"id":42,"status":"completed"}}'):
                assert build(plugin("heldsway"), capability).reads(reply(body)) is None


def test_an_unsuccessful_success_is_not_believed() -> None:
    for capability in ("get", "stats", "get_settings", "list_payouts", "list_requests"):
        example = READ["heldsway", plugin("heldsway").offers()[capability][1]]
        (each,) = asking(plugin("heldsway"), example.operation, example.body)
        for flag in (False, "true", 1, None):
            with pytest.raises(Malformed):
                each.call.reads(reply({**example.body, "success": flag}))


def test_no_error_body_makes_a_refusal_fail(provider: str) -> None:
    made = plugin(provider)
    calls = [build(made, capability) for capability in made.offers()]
    calls += [login_call()] if provider == "heldsway" else []
    bodies = [*wire_faults(b'{"error": {"code": "X", "message": "y"}}').values(), b"9" * 5000, b"x" * 2**20]
    wrongs: list[Any] = [None, 1, [], {}, "x", True, "\x00", "\u202e"]
    bodies += [json.dumps({"error": wrong, "message": wrong}).encode() for wrong in wrongs]
    bodies += [json.dumps({"error": {"code": wrong, "message": wrong}}).encode() for wrong in wrongs]
    for call in calls:
        for status in (400, 401, 404, 418, 429, 500, 503):
            for body in bodies:
                refusal = made.refusal(call, reply(body, status, retry_after="x" * 1000))
                assert refusal.kind is call.refuses.get(status, RefusalKind.UNCLEAR)
                assert refusal.retry_after is None
                assert _is_safe(refusal.problem.message, 200)
                assert _is_safe(refusal.problem.code, 64)


def _is_safe(text: str | None, limit: int) -> bool:
    return text is None or (0 < len(text) <= limit and text.isascii() and text.isprintable())


def _reads_or_refuses(call: Any, body: bytes) -> str:
    """What the refusal says, if it is one. Any other error is the test's failure."""
    try:
        call.reads(reply(body))
    except ProviderError as error:
        return f"{error} {error!r}"
    return ""


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in _texts(child)]


def _numbers(value: Any) -> list[int]:
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [number for child in children for number in _numbers(child)]
