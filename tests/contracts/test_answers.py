"""What a plugin reads from every documented answer, and from each variant of it, is what the oracle reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.sdk import Provider, ProviderError
from tests.contracts.oracle import PROVIDERS, Oracle, Unreadable, at, load_json
from tests.contracts.plugins import JSON, Asking, Example, asking, documented, examples, plugin, reply
from tests.contracts.readings import expected, in_words, proven
from tests.contracts.variants import Variant, variants

CASES = [
    pytest.param(provider, example, id=f"{provider}-{example.operation}-{example.name}")
    for provider in PROVIDERS
    for example in examples(documented(provider))
]


@pytest.mark.parametrize(("provider", "example"), CASES)
def test_every_documented_success_is_read_as_the_oracle_reads_it(provider: str, example: Example) -> None:
    made = plugin(provider)
    asked = list(asking(made, example.operation, example.body))
    assert len(asked) == 1
    for each in asked:
        result = each.call.reads(reply(example.body))
        body = load_json(json.dumps(example.body).encode())
        assert in_words(result) == expected(made, each.call, body)


@pytest.mark.parametrize(("provider", "example"), CASES)
def test_every_variant_is_read_as_the_oracle_reads_it_or_refused(provider: str, example: Example) -> None:
    made, document = plugin(provider), documented(provider)
    operation = document.operations[example.operation]
    counted = {True: 0, False: 0}
    for each in asking(made, example.operation, example.body):
        for variant in variants(document, operation, 200, JSON, example.body):
            wrong = judged(made, each, variant)
            assert wrong is None, f"{variant.label}: {wrong}"
            counted[variant.valid] += 1
    assert counted[True] >= 1
    assert counted[False] >= 5


def test_what_people_see_beside_the_unified_fields_is_on_the_oracles_list(provider: str, oracle: Oracle) -> None:
    shown = set()
    for example in examples(documented(provider)):
        for each in asking(plugin(provider), example.operation, example.body):
            result = each.call.reads(reply(example.body))
            for native, read in zip(natives(oracle, example), getattr(result, "items", [result]), strict=True):
                for name, value in getattr(read, "extensions", {}).items():
                    assert value == at(native, oracle.raw["extensions"][name]), name
                    shown.add(name)
    assert len(shown) >= 4


def natives(oracle: Oracle, example: Example) -> list[Any]:
    """The records in a documented answer."""
    rule = oracle.operations[example.operation]
    if "items_at" in rule:
        return list(at(example.body, rule["items_at"]))
    return [at(example.body, rule.get("payout_at", ""))]


def judged(made: Provider, asking: Asking, variant: Variant) -> str | None:
    """Why a plugin's reading of a body is wrong; None where it is right."""
    try:
        wanted: Any = proven(made, asking, load_json(variant.body))
    except Unreadable as error:
        wanted = error
    try:
        result = in_words(asking.call.reads(reply(variant.body)))
    except ProviderError as error:
        must_be_read = variant.valid and not variant.extreme and not isinstance(wanted, Unreadable)
        return f"{error!r}, expected {wanted}" if must_be_read else None
    if isinstance(wanted, Unreadable):
        return f"read as {result}, though {wanted}"
    return None if result == wanted else f"read as {result}, expected {wanted}"
